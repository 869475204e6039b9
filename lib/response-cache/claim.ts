/** What comes of asking the handler, for everybody else: its answer is stored, or those who wait hear that it is not. */
import { isRedisTrouble } from '../core/errors.js';
import type { Cache } from './cache.js';
import type { Entry } from './entry.js';
import { type Fields, linesOf } from './fields.js';
import type { Flight, Landing } from './flights.js';
import { INNER_CACHE } from './giving-way.js';
import { keepForMs, type Refusal } from './policy.js';
import type { Reservation } from './shelf.js';
import { MAX_TAGS } from './tag-names.js';
import { parseVary } from './vary.js';

export interface Stake {
  /** The right to store; without it the response only goes by. */
  readonly reservation: Reservation | undefined;
  /** Those who wait for what comes of this. */
  readonly flight: Flight | undefined;
  /** Where hit-for-miss remembers this kind of request. */
  readonly hitForMissId: string;
  /** The page's tags, when its header fields are known. */
  tagsFor(fields: Fields): readonly string[];
  /** On behalf of those who may get the page that is stored: where the new one is not to be, the old one goes. */
  readonly isRenewal?: boolean;
}

export interface Claim {
  /** Why there is nothing to store; undefined as long as there may be. */
  readonly refusal: Refusal;
  mayStore(): boolean;
  /** The answer has begun. */
  expectEnd(): void;
  store(response: Omit<Entry, 'vary' | 'variant'>): void;
  /** Nothing is stored, and nobody need wait; the first call counts. */
  drop(why: NonNullable<Refusal>): void;
}

/** Not a property of the page: the next answer may be another. */
const PASSING_REFUSALS: ReadonlySet<Refusal> = new Set([
  'status',
  'request-no-store',
  'reserved',
  'aborted',
  'incomplete',
  'failed',
]);

/** A response that takes longer is not stored, so that another request may try. */
const MAX_HOLD_MS = 30_000;

/** `onSettled` hears once whether it was stored, and if not, why. */
export function claim(cache: Cache, stake: Stake, onSettled: (why: Refusal) => void): Claim {
  const { hitForMiss, settings } = cache;
  const { flight, hitForMissId } = stake;
  let { reservation } = stake;
  let refusal: Refusal;
  const patience = reservation && setTimeout(drop, MAX_HOLD_MS, 'too-slow').unref();

  function store(response: Omit<Entry, 'vary' | 'variant'>): void {
    const right = reservation!;
    const tags = [...new Set([...(response.tags ?? []), ...stake.tagsFor(response.fields)])];
    if (tags.length > MAX_TAGS) {
      drop('too-many-tags');
      return;
    }
    clearTimeout(patience);
    flight?.startLanding();
    const vary = parseVary(linesOf(response.fields, 'vary')) ?? [];
    right
      .keep(
        tags.length === 0 ? response : { ...response, tags },
        vary,
        keepForMs(response, settings.rules, Date.now()),
      )
      .then(
        (entry) => settle(entry, entry === undefined ? 'purged' : undefined),
        (error: unknown) => {
          // Of several leases that storing takes, the first may stand.
          right.cancel().catch(() => {});
          settle(undefined, 'not-stored');
          if (!isRedisTrouble(error)) throw error;
        },
      );
  }

  function drop(why: NonNullable<Refusal>): void {
    if (refusal !== undefined) return;
    refusal = why;
    clearTimeout(patience);
    const right = reservation;
    reservation = undefined;
    if (!PASSING_REFUSALS.has(why)) hitForMiss.set(hitForMissId, why);
    if (right !== undefined) giveBack(right, why);
    settle(why === 'failed' ? why : undefined, why);
  }

  /** Others hear the reason first, or they would ask the handler one after the other. */
  async function giveBack(right: Reservation, why: string): Promise<void> {
    const isLasting = !PASSING_REFUSALS.has(why) && why !== INNER_CACHE;
    if (isLasting) await hitForMiss.tell(hitForMissId, why);
    const end = isLasting && stake.isRenewal === true ? right.discard : right.cancel;
    await end().catch(() => {});
  }

  function settle(landing: Landing | undefined, why: Refusal): void {
    flight?.land(landing);
    onSettled(why);
  }

  return {
    get refusal() {
      return refusal;
    },
    mayStore: () => reservation !== undefined,
    expectEnd: () => flight?.expectEnd(() => hitForMiss.tell(hitForMissId, 'unfinished')),
    store,
    drop,
  };
}
