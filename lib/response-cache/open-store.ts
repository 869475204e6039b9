/** Where the pages of one cache are kept: in Redis, in this process, or in both. */
import { guardRedis } from '../core/guard.js';
import { warnInProcessOnly } from '../core/in-process.js';
import { memoryTier } from '../fill/memory.js';
import { memoryFillStore } from '../fill/memory-store.js';
import { changesChannel, redisFillStore } from '../fill/redis-store.js';
import type { FillStore } from '../fill/store.js';
import type { Settings } from './options.js';

export interface PageStore {
  readonly pages: FillStore;
  /** Past the copies: for what ends by its TTL alone, of which nobody is told. */
  readonly shared: FillStore;
}

/** Nobody waits for what is sent after an answer, and a page may be large. */
const PATIENCE = 10;

/** @throws SuiteError ERS_INVALID_CLIENT */
export function openStore({ client, deadlineMs, prefix, memory }: Settings): PageStore {
  if (client === undefined) {
    warnInProcessOnly('responseCache');
    const store = memoryFillStore(memory);
    return { pages: store, shared: store };
  }
  const tagPrefix = `${prefix}page:#`;
  const guard = guardRedis(client, { feature: 'response-cache', deadlineMs });
  const patient = guardRedis(client, { feature: 'response-cache', deadlineMs: PATIENCE * deadlineMs });
  const { commit, put, renew, release } = redisFillStore(patient, { tagPrefix });
  const shared = { ...redisFillStore(guard, { tagPrefix }), commit, put, renew, release };
  if (memory === undefined) return { pages: shared, shared };
  const channel = changesChannel(tagPrefix);
  // How fresh a page is, it says itself; whatever takes its place is told.
  const isFresh = ({ isExpired }: { readonly isExpired: boolean }) => !isExpired;
  return { pages: memoryTier(shared, { guard, channel, maxBytes: memory.maxBytes, isFresh }), shared };
}
