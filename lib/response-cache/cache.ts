/** What all requests through one response cache share. */
import { AsyncResource } from 'node:async_hooks';
import { LRUCache } from 'lru-cache';
import { createFlights, type Flights } from './flights.js';
import { createHitForMiss, type HitForMiss } from './hit-for-miss.js';
import { postKey } from './key.js';
import { openStore } from './open-store.js';
import type { Settings } from './options.js';
import { selectingNames } from './selection.js';
import { type Found, openShelf, type Reservation, type Shelf } from './shelf.js';
import { unionOf } from './vary.js';

export interface Cache {
  readonly settings: Settings;
  readonly shelf: Shelf;
  readonly flights: Flights;
  readonly hitForMiss: HitForMiss;
  /** Pages that were renewed, or not, a moment ago, by page and variant. */
  readonly resting: LRUCache<string, true>;
  /** Pages for which no request of ours arrives here: something before the cache answers it. */
  readonly unreachable: LRUCache<string, true>;
  /** The context that this cache was made in. */
  readonly outside: AsyncResource;
  /** Forgets a page, in the store and in what is under way. */
  drop(key: string): Promise<void>;
  /** The same, but that a POST which is under way may still take its place. */
  dropPage(key: string): Promise<void>;
  /** The same, softly. */
  expire(key: string): Promise<void>;
  /** The right to answer for a page with a POST: lost when anything else changes the page. Undefined while others have it. */
  reservePost(key: string): Promise<Reservation | undefined>;
  purgeTag(tag: string): Promise<void>;
  expireTag(tag: string): Promise<void>;
}

const REST_MS = 1_000;
const UNREACHABLE_FOR_MS = 60_000;
const MAX_REMEMBERED = 10_000;
/** Only its lease counts. */
const NO_PAGE: Omit<Found, 'key'> = {
  entry: undefined,
  isExpired: false,
  vary: [],
  variant: 'page',
  keptVary: undefined,
};

/** @throws SuiteError ERS_INVALID_CLIENT */
export function openCache(settings: Settings): Cache {
  const { deadlineMs, selection, maxVariants, rules } = settings;
  const { pages, shared } = openStore(settings);
  const shelf = openShelf({
    store: pages,
    vary: unionOf(selectingNames(selection)),
    maxVariants,
    ignoresLanguageOrder: rules.profile === 'rfc9111',
    readsOwnMemory: settings.client === undefined || settings.memory !== undefined,
  });
  const flights = createFlights({ landingMs: deadlineMs });

  async function forgetting(key: string, act: (key: string) => Promise<void>): Promise<void> {
    flights.forget(key);
    await act(key);
    // Whoever took off between the two may have seen the old state and not have lost a lease.
    flights.forget(key);
  }

  /** First the right, then the page: a POST that finds its right standing has not missed the other. */
  function afterPosts(act: (key: string) => Promise<void>): typeof act {
    if (rules.profile === 'safe') return act;
    return async function breakRightAndAct(key) {
      await shelf.drop(postKey(key)).finally(() => act(key));
    };
  }

  return {
    settings,
    shelf,
    flights,
    hitForMiss: createHitForMiss(shared, settings),
    resting: new LRUCache({ max: MAX_REMEMBERED, ttl: REST_MS }),
    unreachable: new LRUCache({ max: MAX_REMEMBERED, ttl: UNREACHABLE_FOR_MS }),
    outside: new AsyncResource('ExpressRedisSuiteRenewal'),
    drop: (key) => forgetting(key, afterPosts(shelf.drop)),
    dropPage: (key) => forgetting(key, shelf.drop),
    expire: (key) => forgetting(key, afterPosts(shelf.expire)),
    reservePost: (key) => shelf.reserve({ ...NO_PAGE, key: postKey(key) }, {}),
    // A flight lands only what was stored, and nothing is stored under a tag that was purged since it began.
    purgeTag: shelf.purgeTag,
    expireTag: shelf.expireTag,
  };
}
