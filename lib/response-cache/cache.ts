/** What all requests through one response cache share. */
import { guardRedis } from '../core/guard.js';
import { warnInProcessOnly } from '../core/in-process.js';
import { memoryFillStore } from '../fill/memory-store.js';
import { redisFillStore } from '../fill/redis-store.js';

import { createFlights, type Flights } from './flights.js';
import { createHitForMiss, type HitForMiss } from './hit-for-miss.js';
import type { Settings } from './options.js';
import { openShelf, type Shelf } from './shelf.js';

export interface Cache {
  readonly settings: Settings;
  readonly shelf: Shelf;
  readonly flights: Flights;
  readonly hitForMiss: HitForMiss;
  /** Forgets a page, in the store and in what is under way. */
  drop(key: string): Promise<void>;
}

/** @throws SuiteError ERS_INVALID_CLIENT */
export function openCache(settings: Settings): Cache {
  const { client, deadlineMs, vary, maxVariants, rules } = settings;
  if (client === undefined) warnInProcessOnly('responseCache');
  const store =
    client === undefined
      ? memoryFillStore()
      : redisFillStore(guardRedis(client, { feature: 'response-cache', deadlineMs }), {
          tagPrefix: `${settings.prefix}page:#`,
        });
  const ignoresLanguageOrder = rules.profile === 'rfc9111';
  const shelf = openShelf({ store, vary, maxVariants, ignoresLanguageOrder });
  const flights = createFlights();

  return {
    settings,
    shelf,
    flights,
    hitForMiss: createHitForMiss(store, settings.prefix),
    async drop(key) {
      flights.forget(key);
      await shelf.drop(key);
      // Whoever took off between the two may have seen the old state and not have lost a lease.
      flights.forget(key);
    },
  };
}
