/** Who of all that miss a page asks the handler and stores the answer: the first one, here and in other processes. */
import { isRedisTrouble } from '../core/errors.js';
import { isRevalidation } from '../core/revalidation.js';
import type { Cache } from './cache.js';
import { answerHangUp } from './decoy.js';
import type { Entry } from './entry.js';
import { fetchFromHandler } from './fetch.js';
import { hasValidator, isForOneRequest } from './policy.js';
import { useOf, useStale } from './reuse.js';
import type { Found } from './shelf.js';
import { taggerOf } from './tags.js';
import { type Account, type Forward, STALE_IF_ERROR } from './trace.js';
import { type Turn, takeTurn } from './turn.js';
import { isGone, isPersonal, pass, serve, type Visit } from './visit.js';

export interface Miss {
  readonly found: Found;
  /** The stale response to validate. */
  readonly stored: Entry | undefined;
  /** The stale response to serve when the handler fails, if it may be. */
  readonly fallback: Entry | undefined;
  readonly forward: Forward;
  readonly mayWait: boolean;
}

export async function approach(
  cache: Cache,
  visit: Visit,
  { found, stored, fallback, forward, mayWait }: Miss,
): Promise<(() => void) | 'look-again'> {
  const { req, trace } = visit;
  const { rules } = cache.settings;
  const hitForMissId = [found.key, found.variant, isPersonal(visit)].join(' ');
  const tagsFor = taggerOf(cache.settings, visit);
  const errand = { stored, fallback, forward, hitForMissId, tagsFor };
  const alone = () =>
    fetchFromHandler(cache, visit, { ...errand, flight: undefined, reservation: undefined });
  const collapsed = { forward, isCollapsed: true } as const;
  const refusal = cache.hitForMiss.get(hitForMissId);
  const passAs = (refusal: string) => (fallback === undefined ? () => passUnstored(refusal) : alone);
  if (refusal !== undefined) return passAs(refusal);
  if (!mayWait) return alone;

  const isRenewal = isRevalidation(req);
  const isOwn = isRenewal || (stored !== undefined && isForOneRequest(stored, visit.headers, rules));
  const other = isRenewal ? undefined : cache.flights.of(found.key, found.variant);
  if (other !== undefined) {
    if (isOwn) return alone;
    trace.go('wait');
    const account = other.isLanding ? {} : collapsed;
    const landing = await other.landed;
    if (landing === 'failed') return serveAfterFailure() ?? 'look-again';
    const isStillUp = cache.flights.of(found.key, found.variant) === other;
    return serveIfUsable(landing, account) ?? (isStillUp ? alone : 'look-again');
  }

  const flight = cache.flights.start(found.key, found.variant);
  const isUsable = (entry: Entry) => serveIfUsable(entry, {}) !== undefined;
  const place = { found, hitForMissId, mayWait: !isOwn, isUsable };
  const turn = await takeTurn(cache, visit, place).catch((error: unknown): Turn => {
    flight.land(undefined);
    if (!isRedisTrouble(error)) throw error;
    return 'alone';
  });
  const reservation = typeof turn === 'object' && 'reservation' in turn ? turn.reservation : undefined;
  const act = isRenewal ? undefined : actOn(turn);
  if (act === undefined && reservation !== undefined && !isGone(visit))
    return () =>
      fetchFromHandler(cache, visit, { ...errand, ...newest(reservation.entry), flight, reservation });
  // Without the right to store, this process may not share either: it would not hear of a purge.
  flight.land(act === undefined ? undefined : entryIn(turn));
  reservation?.cancel().catch(ignore);
  // A response that is over tells nobody when it ends.
  return act ?? (isGone(visit) ? () => pass(visit, forward, 'aborted') : alone);

  function passUnstored(refusal: string): void {
    if (rules.servesStaleWhenClosed) answerHangUp(visit.res);
    pass(visit, forward, refusal);
  }

  function actOn(turn: Turn): (() => void) | 'look-again' | undefined {
    if (turn === 'look-again') return turn;
    if (turn === 'alone') return undefined;
    if ('refusal' in turn) return passAs(turn.refusal);
    return serveIfUsable(entryIn(turn), 'entry' in turn ? collapsed : {});
  }

  /** The failure that they waited for is the answer for all of them: a handler in trouble is not asked once each. */
  function serveAfterFailure(): (() => void) | undefined {
    const use = fallback && useStale(fallback, visit.headers, rules, Date.now(), 'if-error');
    return use && (() => serve(visit, fallback, use, { ...collapsed, detail: STALE_IF_ERROR }));
  }

  /** What was stored since we looked is what to validate. */
  function newest(entry: Entry | undefined): Pick<Miss, 'stored' | 'fallback'> {
    if (entry === undefined || !cache.shelf.matches(entry, visit.headers)) return { stored, fallback };
    const isValid = useOf(entry, visit.headers, rules, Date.now()).may !== 'nothing' && hasValidator(entry);
    return { stored: isValid ? entry : undefined, fallback: entry };
  }

  function serveIfUsable(entry: Entry | undefined, account: Account): (() => void) | undefined {
    if (entry === undefined || !cache.shelf.matches(entry, visit.headers)) return undefined;
    const use = useOf(entry, visit.headers, rules, Date.now());
    if (use.may !== 'serve') return undefined;
    return () => serve(visit, entry, use, account);
  }
}

/** What is there to be shared without a run of the handler. */
function entryIn(turn: Turn): Entry | undefined {
  if (typeof turn === 'string' || 'refusal' in turn) return undefined;
  if ('entry' in turn) return turn.entry;
  return turn.reservation.isExpired ? undefined : turn.reservation.entry;
}

function ignore(): void {}
