/** Loading under a lease: it is kept for as long as the load takes, and ended by what comes of it. */
import { isRedisTrouble } from '../core/errors.js';
import type { FillStore, Lease } from './store.js';

export interface Loaded {
  readonly value: Buffer;
  /** How long it may be stored, in milliseconds; 0: not at all. */
  readonly ttlMs: number;
  readonly tags?: readonly string[];
}

/** A load this slow hangs: its lease is let go, so that others may try. */
const HANGS_AFTER_MS = 5 * 60_000;

/** What `load` returns, stored if the lease still stands by then. Trouble with the store never fails the load. */
export async function loadUnder(
  store: FillStore,
  lease: Lease,
  leaseMs: number,
  load: () => Promise<Loaded>,
): Promise<{ readonly loaded: Loaded; readonly isStored: boolean }> {
  const stopKeeping = keepLease(store, lease, leaseMs);
  try {
    const loaded = await load();
    stopKeeping();
    if (loaded.ttlMs > 0) {
      const isStored = await store.commit(lease, loaded.value, loaded).catch(passTrouble);
      return { loaded, isStored: isStored ?? false };
    }
    giveBack(store, lease);
    return { loaded, isStored: false };
  } catch (error) {
    giveBack(store, lease);
    throw error;
  } finally {
    stopKeeping();
  }
}

/** Ends a lease that nothing came of; nobody waits for that. */
export function giveBack(store: FillStore, lease: Lease): void {
  store.release(lease).catch(() => {});
}

/** For `.catch`: trouble with Redis is no news here, for the guard knows; anything else is a bug. */
export function passTrouble(error: unknown): undefined {
  if (!isRedisTrouble(error)) throw error;
}

function keepLease(store: FillStore, lease: Lease, leaseMs: number): () => void {
  const startedAt = performance.now();
  const timer = setInterval(renew, leaseMs / 3).unref();
  const stop = () => clearInterval(timer);

  async function renew() {
    if (performance.now() - startedAt > HANGS_AFTER_MS) return stop();
    const stands = await store.renew(lease, leaseMs).catch(() => true);
    if (!stands) stop();
  }
  return stop;
}
