/** Where the pages of one cache are kept: in Redis, or in this process. */
import { guardRedis } from '../core/guard.js';
import { warnInProcessOnly } from '../core/in-process.js';
import { memoryFillStore } from '../fill/memory-store.js';
import { redisFillStore } from '../fill/redis-store.js';
import type { FillStore } from '../fill/store.js';
import type { Settings } from './options.js';

/** Nobody waits for what is sent after an answer, and a page may be large. */
const PATIENCE = 10;

/** @throws SuiteError ERS_INVALID_CLIENT */
export function openStore({ client, deadlineMs, prefix }: Settings): FillStore {
  if (client === undefined) {
    warnInProcessOnly('responseCache');
    return memoryFillStore();
  }
  const tagPrefix = `${prefix}page:#`;
  const guard = guardRedis(client, { feature: 'response-cache', deadlineMs });
  const patient = guardRedis(client, { feature: 'response-cache', deadlineMs: PATIENCE * deadlineMs });
  const { commit, put, renew, release } = redisFillStore(patient, { tagPrefix });
  return { ...redisFillStore(guard, { tagPrefix }), commit, put, renew, release };
}
