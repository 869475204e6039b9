/** What a cache beside a database does: loads what it does not have once, and is never behind a write through it. */
import type { LoadMissing } from './batch.js';
import type { EntryOptions, LoadOptions } from './entry-options.js';

export interface WrapOptions<Args extends readonly unknown[], Value = unknown> extends LoadOptions<Value> {
  /** The key for these arguments, such as `(id) => 'user:' + id`. */
  readonly key: (...args: Args) => string;
}

/** What a write changes: a key, or everything that carries one of some tags. */
export type Written = string | { readonly tags: readonly string[] };

/**
 * Keys are `resource:id`, such as `user:42`.
 *
 * Redis being away fails none of these: values are loaded, writes are done, and what could not be deleted is deleted
 * as soon as Redis can be reached from here; until then this process does not serve it, and other processes that can
 * reach Redis may, for no longer than its TTL.
 */
export interface Cache {
  /** The value; undefined when there is none, or none that is fresh and may be served just now. */
  get<Value>(key: string): Promise<Value | undefined>;
  /** The values that are there, by key, read in one round trip for every 200 keys. */
  getMany<Value>(keys: readonly string[]): Promise<Map<string, Value>>;
  /**
   * The value, else what `load` returns, which is stored.
   *
   * Many who ask at once, in however many processes, run one load. Each gets a copy of its own, as the serializer
   * makes it, hit or miss. Rejects with what `load` rejects with, unless a stale value may stand in; that is not
   * remembered. `load` may also run shortly before the value's end while that is served (see `beta`), and go on after
   * its caller was served a stale one: it must not depend on a request that is over by then.
   *
   * @throws SuiteError ERS_UNCACHEABLE_VALUE when `load` returns what the serializer cannot hold.
   */
  getOrLoad<Value>(
    key: string,
    load: () => Promise<Value> | Value,
    options?: LoadOptions<Value>,
  ): Promise<Value>;
  /**
   * The values of all keys, in their order: those that are there read as by `getMany`, the others by one call of
   * `loadMissing`, which returns a Map or other entries; a key it leaves out is a missing row. Each key is held to what
   * `getOrLoad` promises of it, so keys that others are loading just now are waited for, not loaded.
   */
  loadMany<Value>(
    keys: readonly string[],
    loadMissing: LoadMissing<Value>,
    options?: LoadOptions<Value>,
  ): Promise<Map<string, Value | undefined>>;
  /** Stores a value, false when a writer is at work on the key or Redis is away. Between processes, the last one wins. */
  set<Value>(key: string, value: Value, options?: EntryOptions<Value>): Promise<boolean>;
  /**
   * Forgets a value; true when there was one. Loads under way are not stored.
   *
   * For changes that others have made. Deleting after a change of one's own leaves the old value for its TTL when this
   * process dies in between: use `write`.
   */
  delete(key: string): Promise<boolean>;
  /** `delete` of all values that carry any of these tags, one command per tag. */
  invalidateTags(...tags: readonly string[]): Promise<void>;
  /**
   * Runs `change`, a write to the database that commits before it resolves, and forgets the keys, and everything with
   * the tags, that it concerns: `write(['user:42', { tags: ['staff'] }], ...)`.
   *
   * From before the change until after it, no process serves or stores any of that, so that nobody sees the old value
   * once the change is committed. Resolves and rejects as `change` does.
   */
  write<Result>(
    written: Written | readonly Written[],
    change: () => Promise<Result> | Result,
  ): Promise<Result>;
  /**
   * `write` of one key, which then holds what `change` returned, unless somebody else wrote it meanwhile.
   *
   * What the serializer cannot hold is not cached, with one warning (`process.on('warning')`): the write is done.
   */
  writeThrough<Value>(
    key: string,
    change: () => Promise<Value> | Value,
    options?: EntryOptions<Value>,
  ): Promise<Value>;
  /** `load` with its results cached. */
  wrap<Args extends readonly unknown[], Value>(
    load: (...args: Args) => Promise<Value> | Value,
    options: WrapOptions<Args, Value>,
  ): (...args: Args) => Promise<Value>;
}
