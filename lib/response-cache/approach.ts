/** Who of all that miss a page asks the handler and stores the answer: the first one here, if no other process is at it. */
import { isRedisTrouble } from '../core/errors.js';
import { isRevalidation } from '../core/revalidation.js';
import type { Cache } from './cache.js';
import type { Entry } from './entry.js';
import { fetchFromHandler } from './fetch.js';
import type { Flight } from './flights.js';
import { useOf } from './policy.js';
import type { Found, Reservation } from './shelf.js';
import type { Forward } from './trace.js';
import { pass, serve, type Visit } from './visit.js';

export interface Miss {
  readonly found: Found;
  /** The stale response to validate. */
  readonly stored: Entry | undefined;
  readonly forward: Forward;
  readonly mayWait: boolean;
}

export async function approach(
  cache: Cache,
  visit: Visit,
  { found, stored, forward, mayWait }: Miss,
): Promise<(() => void) | 'look-again'> {
  const { req, res, trace } = visit;
  const hitForMissId = [found.key, found.variant, isPersonal(visit)].join(' ');
  const errand = { stored, forward, hitForMissId };
  const alone = () =>
    fetchFromHandler(cache, visit, { ...errand, flight: undefined, reservation: undefined });
  const refusal = cache.hitForMiss.get(hitForMissId);
  if (refusal !== undefined) return () => pass(visit, forward, refusal);
  if (!mayWait) return alone;

  const other = isRevalidation(req) ? undefined : cache.flights.of(found.key, found.variant);
  if (other !== undefined) {
    trace.go('wait');
    const account = other.isLanding ? {} : ({ forward, isCollapsed: true } as const);
    const entry = await other.landed;
    const isStillUp = cache.flights.of(found.key, found.variant) === other;
    return serveIfUsable(entry, account) ?? (isStillUp ? alone : 'look-again');
  }

  const flight = cache.flights.start(found.key, found.variant);
  const reservation = await reserve(flight);
  const justStored = isRevalidation(req) ? undefined : serveIfUsable(reservation?.entry, {});
  if (justStored !== undefined || res.headersSent || res.destroyed || req.socket.destroyed) {
    // A response that is over tells nobody when it ends.
    flight.land(justStored === undefined ? undefined : reservation?.entry);
    reservation?.cancel().catch(ignore);
    return justStored ?? (() => pass(visit, forward, 'aborted'));
  }
  return () => fetchFromHandler(cache, visit, { ...errand, flight, reservation });

  function serveIfUsable(
    entry: Entry | undefined,
    account: { readonly forward?: Forward; readonly isCollapsed?: true },
  ): (() => void) | undefined {
    if (entry === undefined || !cache.shelf.matches(entry, req.headers)) return undefined;
    const use = useOf(entry, req.headers, cache.settings.rules, Date.now());
    if (use.may !== 'serve') return undefined;
    return () => serve(visit, entry, use, account);
  }

  /** Without the right to store, this process may not share either: it would not hear of a purge. */
  async function reserve(own: Flight<Entry>): Promise<Reservation | undefined> {
    const reservation = await cache.shelf.reserve(found, req.headers).catch((error: unknown) => {
      own.land(undefined);
      if (!isRedisTrouble(error)) throw error;
      return undefined;
    });
    if (reservation === undefined) own.land(undefined);
    return reservation;
  }
}

/** What is refused to a request with credentials may well be stored for one without. */
function isPersonal({ req }: Visit): boolean {
  return 'cookie' in req.headers || 'authorization' in req.headers;
}

function ignore(): void {}
