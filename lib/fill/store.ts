/** Where filled values live. A key holds fields, a field holds bytes; one who wants to fill a field takes its lease. */

/**
 * The right to fill one field of a key, once.
 *
 * It ends when it expires and when the key is dropped or marked meanwhile (memcache leases: Nishtala et al., Scaling
 * Memcache at Facebook, NSDI '13, section 3.2.1). Whoever lost it may use what was loaded but not store it.
 */
export interface Lease {
  readonly key: string;
  readonly field: string;
  readonly token: string;
  /** What the field held when the lease was given: somebody else may have filled it since it was read. */
  readonly found: Buffer | null;
}

/** How many values a key holds at most, beside the one in the field `spare`, which stays. */
export interface Limit {
  readonly maxValues: number;
  readonly spare: string;
}

export interface Reading {
  /** One per field asked for, in order; null for an absent one. All null under a mark. */
  readonly values: readonly (Buffer | null)[];
  /** The token of each field's latest lease, in the same order; one that expired may still be named. */
  readonly leases: readonly (string | null)[];
  /** A writer is at work on what this key caches: serve nothing from it, store nothing in it. */
  readonly isMarked: boolean;
}

/**
 * What `lib/fill` needs of a store; `redis-store.ts` shares it between processes, `memory-store.ts` keeps it in this one.
 *
 * A value is gone after its `ttlMs`, but not at once where the key has a longer-lived field or a lease on it: what must
 * end on time carries its own expiry. Fields are not called `mark` and do not begin with `lease:`.
 */
export interface FillStore {
  /** One command. */
  read(key: string, fields: readonly string[]): Promise<Reading>;
  /** Several keys' readings of the same fields in one round trip. */
  readMany(keys: readonly string[], fields: readonly string[]): Promise<readonly Reading[]>;
  /** The lease of a field for `leaseMs`; undefined while somebody else holds it or the key is marked. */
  acquire(key: string, field: string, leaseMs: number): Promise<Lease | undefined>;
  /** `leaseMs` more from now, for loaders slower than a lease; false when the lease is lost. */
  renew(lease: Lease, leaseMs: number): Promise<boolean>;
  /**
   * Stores `value` for `ttlMs` and ends the lease; false, with nothing stored, when the lease is lost. Where `limit`
   * leaves no room for it, others go.
   */
  commit(lease: Lease, value: Buffer, ttlMs: number, limit?: Limit): Promise<boolean>;
  /** Ends a lease without storing, so that the next one need not wait for its expiry. */
  release(lease: Lease): Promise<void>;
  /** Stores without a lease and breaks the field's lease; false, with nothing stored, under a mark. */
  put(key: string, field: string, value: Buffer, ttlMs: number): Promise<boolean>;
  /** Forgets the key with all its fields and breaks their leases; a mark stays. True when there was a value. */
  drop(key: string): Promise<boolean>;
  /** Forgets the key, breaks its leases, and lets nothing be served or stored until `unmark`, or for `markMs`. */
  mark(key: string, token: string, markMs: number): Promise<void>;
  /** `markMs` more from now, for slow writers. A mark that was lost comes back, as one that others overlapped. */
  keepMark(key: string, token: string, markMs: number): Promise<void>;
  /** Ends one writer's mark; other writers' marks on the key stay. Whatever the key holds is forgotten. */
  unmark(key: string, token: string): Promise<void>;
  /**
   * `unmark`, and stores `value` in the same step if that mark stood all the while and nobody else marked, dropped or
   * put anything under it: of two writers that overlapped, nobody here knows which one the database saw last.
   */
  unmarkWith(key: string, token: string, field: string, value: Buffer, ttlMs: number): Promise<boolean>;
}
