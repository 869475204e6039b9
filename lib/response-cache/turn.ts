/** Taking turns with other processes: who gets a page's lease asks the handler, the others wait for what comes of it. */
import type { Cache } from './cache.js';
import type { Entry } from './entry.js';
import type { Found, Reservation } from './shelf.js';
import { isGone, type Visit } from './visit.js';

export type Turn =
  /** It is ours. */
  | { readonly reservation: Reservation }
  /** Another process has stored the page. */
  | { readonly entry: Entry }
  /** Another process found that its answer is for nobody else. */
  | { readonly refusal: string }
  /** The page has other variants than we thought. */
  | 'look-again'
  /** Nothing to wait for, or not any longer. */
  | 'alone';

export interface Place {
  readonly found: Found;
  readonly hitForMissId: string;
  readonly mayWait: boolean;
  isUsable(entry: Entry): boolean;
}

/** A lease that nobody renews ends sooner, so that one of those who wait takes over. */
const WAIT_BUDGET_MS = 10_000;
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 100;

export async function takeTurn(cache: Cache, visit: Visit, place: Place): Promise<Turn> {
  const { shelf, hitForMiss } = cache;
  const { found, hitForMissId, mayWait, isUsable } = place;
  const { headers } = visit;
  const giveUpAt = performance.now() + WAIT_BUDGET_MS;

  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    const reservation = await shelf.reserve(found, headers);
    if (reservation !== undefined) {
      // Who stored the page meanwhile told that it has variants, and then ended the lease that is ours now.
      if (reservation.entry !== undefined || !reservation.isForOthers) return { reservation };
      reservation.cancel().catch(() => {});
      return 'look-again';
    }
    if (!mayWait) return 'alone';
    if (pauseMs === FIRST_PAUSE_MS) visit.trace.go('wait');
    // Half of the pause is chance, so that waiting processes do not ask in step.
    await shelf.changeOf(found.key, pauseMs * (0.5 + Math.random() / 2));
    if (isGone(visit)) return 'alone';

    const [seen, refusal] = await Promise.all([shelf.find(found.key, headers), hitForMiss.ask(hitForMissId)]);
    if (seen.variant !== found.variant) return 'look-again';
    const { entry } = seen;
    if (entry !== undefined && !seen.isExpired && isUsable(entry)) return { entry };
    const isOver = performance.now() > giveUpAt;
    const why = refusal ?? (isOver ? 'reserved' : undefined);
    if (why === undefined) continue;
    // The others here need not find out by themselves.
    hitForMiss.set(hitForMissId, why);
    return refusal === undefined ? 'alone' : { refusal };
  }
}
