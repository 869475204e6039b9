/** What was found of a key, and what may be done with it. */
import type { Found, Reading } from './store.js';

/**
 * What may be done with a value that was found: `fresh`: serve it. `due`: serve it, and load the next one meanwhile.
 * `stale`: serve it while somebody loads, or when that takes long or fails. `over`: nothing.
 */
export type Use = 'fresh' | 'due' | 'stale' | 'over';

export interface FindRequest<Value> {
  readonly key: string;
  readonly field: string;
  /** Throws on bytes that it cannot read; found in the store, those are a miss. */
  readonly judge: (found: Found) => Use;
  /** Every caller reads a copy of its own. Throws as `judge` does. */
  readonly read: (bytes: Buffer) => Value;
}

export interface Usable<Value> {
  readonly bytes: Buffer;
  readonly value: Value;
  readonly use: 'fresh' | 'due' | 'stale';
}

/** In a box, for a value may be undefined. */
export function findIn<Value>(
  request: FindRequest<Value>,
  reading: Reading | undefined,
): { readonly value: Value } | undefined {
  const usable = usableIn(request, reading?.values[0]);
  return usable === undefined || usable.use === 'stale' ? undefined : usable;
}

/** What cannot be read may be tampered with, or of another version. */
export function usableIn<Value>(
  { judge, read }: FindRequest<Value>,
  found: Found | null | undefined,
): Usable<Value> | undefined {
  if (found === null || found === undefined) return undefined;
  try {
    const use = judge(found);
    return use === 'over' ? undefined : { bytes: found.bytes, value: read(found.bytes), use };
  } catch {
    return undefined;
  }
}

/** Somebody else has filled the key since it was read. */
export function isNewer<Value>(
  found: Usable<Value> | undefined,
  before: Usable<unknown> | undefined,
): found is Usable<Value> {
  if (found === undefined || found.use === 'stale') return false;
  return before === undefined || !found.bytes.equals(before.bytes);
}
