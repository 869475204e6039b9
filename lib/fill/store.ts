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
  /**
   * When it was given, by the store's own clock: tags purged at or after that moment purge what is stored under it.
   *
   * Whoever stores a load that began under another lease says `{ ...lease, since: other.since }`.
   */
  readonly since: number;
  /** What the field held when the lease was given: somebody else may have filled it since it was read. */
  readonly found: Found | null;
  /** What the field beside it held at that moment, whatever its tags. */
  readonly beside: Buffer | null;
}

/** What a field holds. */
export interface Found {
  readonly bytes: Buffer;
  /** As `spellTag` spells them. */
  readonly tags: readonly string[];
  /** Outdated by `expire` or `expireTag`: to be refreshed, and meanwhile only for those who may be served stale. */
  readonly isExpired: boolean;
}

/** A writer's hold on a key. */
export interface Mark {
  readonly key: string;
  readonly token: string;
  /** When it was set, as a lease's. */
  readonly since: number;
}

/** How many values a key holds at most, beside the one in the field `spare`, which stays. */
interface Limit {
  readonly maxValues: number;
  readonly spare: string;
}

export interface Keeping {
  /** How long, in milliseconds. */
  readonly ttlMs: number;
  /** Purging any of these purges the value. Any strings; default none. */
  readonly tags?: readonly string[];
  /** Where it leaves no room for the value, others go. */
  readonly limit?: Limit;
}

export interface Reading {
  /** One per field asked for, in order; null for an absent one, and for one with a purged tag. All null under a mark. */
  readonly values: readonly (Found | null)[];
  /** The token of each field's latest lease, in the same order; one that expired may still be named. */
  readonly leases: readonly (string | null)[];
  /** A writer is at work on what this key caches: serve nothing from it, store nothing in it. */
  readonly isMarked: boolean;
}

/**
 * What `lib/fill` needs of a store; `redis-store.ts` shares it between processes, `memory-store.ts` keeps it in this one.
 *
 * A value is gone after its `ttlMs`, but not at once where the key has a longer-lived field or a lease on it: what must
 * end on time carries its own expiry, by `now()`. Fields are not called `mark` and do not begin with `lease:`, `tags:` or
 * `expired:`.
 */
export interface FillStore {
  /** The store's clock, in milliseconds: the same for all who share it, but for a network delay. */
  now(): number;
  /** One command; on a cluster one parallel look-up more for values with tags. */
  read(key: string, fields: readonly string[]): Promise<Reading>;
  /** What `read` would say, where it is known without asking anybody. */
  look?(key: string, fields: readonly string[]): Reading | undefined;
  /** Several keys' readings of the same fields in one round trip. */
  readMany(keys: readonly string[], fields: readonly string[]): Promise<readonly Reading[]>;
  /**
   * The lease of a field for `leaseMs`; undefined while somebody else holds it or the key is marked. `beside` is another
   * field, to be looked at in the same step.
   */
  acquire(key: string, field: string, leaseMs: number, beside?: string): Promise<Lease | undefined>;
  /** `leaseMs` more from now, for loaders slower than a lease; false when the lease is lost. */
  renew(lease: Lease, leaseMs: number): Promise<boolean>;
  /**
   * Stores `value` and ends the lease; false, with nothing stored, when the lease is lost or one of the tags was purged
   * since it was given: whoever asked after that must not be served what was loaded either.
   */
  commit(lease: Lease, value: Buffer, keeping: Keeping): Promise<boolean>;
  /** Ends a lease without storing, so that the next one need not wait for its expiry. */
  release(lease: Lease): Promise<void>;
  /** Stores without a lease and breaks the field's lease; false, with nothing stored, under a mark. */
  put(key: string, field: string, value: Buffer, keeping: Keeping): Promise<boolean>;
  /** Forgets the key with all its fields and breaks their leases; a mark stays. True when there was a value. */
  drop(key: string): Promise<boolean>;
  /** The soft `drop`: breaks the leases and leaves the values, as expired, until they are stored anew. */
  expire(key: string): Promise<boolean>;
  /** Forgets the key, breaks its leases, and lets nothing be served or stored until `unmark`, or for `markMs`. */
  mark(key: string, token: string, markMs: number): Promise<Mark>;
  /** `markMs` more from now, for slow writers. A mark that was lost comes back, as one that others overlapped. */
  keepMark(key: string, token: string, markMs: number): Promise<void>;
  /** Ends one writer's mark; other writers' marks on the key stay. Whatever the key holds is forgotten. */
  unmark(key: string, token: string): Promise<void>;
  /**
   * `unmark`, and stores `value` in the same step if that mark stood all the while and nobody else marked, dropped or
   * put anything under it: of two writers that overlapped, nobody here knows which one the database saw last.
   */
  unmarkWith(mark: Mark, field: string, value: Buffer, keeping: Keeping): Promise<boolean>;
  /**
   * What carries the tag and was stored, or began to be loaded, before this resolves is gone: neither served nor
   * stored. One command per tag, however many values carry it; whoever wants to purge all paths below another gives
   * each value one tag per folder it is in.
   */
  purgeTag(tag: string): Promise<void>;
  /** The soft `purgeTag`: what carries the tag is expired. */
  expireTag(tag: string): Promise<void>;
  /** `mark` for all that carries the tag, whatever their keys: nothing is served; what is stored is never served. */
  markTag(tag: string, token: string, markMs: number): Promise<void>;
  /** Ends one writer's mark on a tag; what began before is gone. */
  unmarkTag(tag: string, token: string): Promise<void>;
  /** What this process saw last, where it keeps copies: perhaps changed since, for want of anything better. */
  lastKnown?(key: string, field: string): Found | null;
  /** Resolves when somebody has changed the key, where that is heard of, and else after so long. */
  changeOf?(key: string, withinMs: number): Promise<void>;
}
