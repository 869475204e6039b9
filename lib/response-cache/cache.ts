/** What all requests through one response cache share. */
import { LRUCache } from 'lru-cache';
import { guardRedis } from '../core/guard.js';
import { warnInProcessOnly } from '../core/in-process.js';
import { memoryFillStore } from '../fill/memory-store.js';
import { redisFillStore } from '../fill/redis-store.js';
import type { Entry } from './entry.js';
import { createFlights, type Flights } from './flights.js';
import type { Settings } from './options.js';
import { openShelf, type Shelf } from './shelf.js';

export interface Cache {
  readonly settings: Settings;
  readonly shelf: Shelf;
  readonly flights: Flights<Entry>;
  /** Why pages were not to be stored a moment ago: nobody waits for another's answer there. */
  readonly hitForMiss: HitForMiss;
  /** Forgets a page, in the store and in what is under way. */
  drop(key: string): Promise<void>;
}

interface HitForMiss {
  get(id: string): string | undefined;
  set(id: string, refusal: string): unknown;
}

const HIT_FOR_MISS_MS = 5_000;
const MAX_HIT_FOR_MISS = 1_000;

/** @throws SuiteError ERS_INVALID_CLIENT */
export function openCache(settings: Settings): Cache {
  const { client, deadlineMs, vary, maxVariants, rules } = settings;
  if (client === undefined) warnInProcessOnly('responseCache');
  const store =
    client === undefined
      ? memoryFillStore()
      : redisFillStore(guardRedis(client, { feature: 'response-cache', deadlineMs }));
  const ignoresLanguageOrder = rules.profile === 'rfc9111';
  const shelf = openShelf({ store, vary, maxVariants, ignoresLanguageOrder });
  const flights = createFlights<Entry>();

  return {
    settings,
    shelf,
    flights,
    hitForMiss: new LRUCache<string, string>({ max: MAX_HIT_FOR_MISS, ttl: HIT_FOR_MISS_MS }),
    async drop(key) {
      flights.forget(key);
      await shelf.drop(key);
      // Whoever took off between the two may have seen the old state and not have lost a lease.
      flights.forget(key);
    },
  };
}
