/** A cache beside a database: loads what it does not have once, and is never behind a write that goes through it. */
import { cacheAsideChannel } from '../core/channels.js';
import { invalidOption } from '../core/errors.js';
import { guardRedis } from '../core/guard.js';
import { warnInProcessOnly } from '../core/in-process.js';
import { spellId } from '../core/keys.js';
import { type Filled, Filler, type FillRequest } from '../fill/fill.js';
import { passTrouble } from '../fill/lease.js';
import { memoryFillStore } from '../fill/memory-store.js';
import { redisFillStore } from '../fill/redis-store.js';
import type { FillStore } from '../fill/store.js';
import { newToken } from '../fill/token.js';
import { type EndMark, Writers } from '../fill/writers.js';
import { isMissing } from './entry.js';
import {
  type CacheOptions,
  type LifetimeOptions,
  type ResolvedOptions,
  resolveLifetime,
  resolveOptions,
} from './options.js';

export interface WrapOptions<Args extends readonly unknown[]> extends LifetimeOptions {
  /** The key for these arguments, such as `(id) => 'user:' + id`. */
  readonly key: (...args: Args) => string;
}

/**
 * Keys are `resource:id`, such as `user:42`.
 *
 * Redis being away fails none of these: values are loaded, writes are done, and what could not be deleted is deleted
 * as soon as Redis can be reached from here; until then this process does not serve it, and other processes that can
 * reach Redis may, for no longer than its TTL.
 */
export interface Cache {
  /** The value; undefined when there is none, or none that may be served just now. */
  get<Value>(key: string): Promise<Value | undefined>;
  /**
   * The value, else what `load` returns, which is stored.
   *
   * Many who ask at once, in however many processes, run one load. Each gets a copy of its own, as the serializer
   * makes it, hit or miss. Rejects with what `load` rejects with; that is not remembered.
   *
   * @throws SuiteError ERS_UNCACHEABLE_VALUE when `load` returns what the serializer cannot hold.
   */
  getOrLoad<Value>(
    key: string,
    load: () => Promise<Value> | Value,
    lifetime?: LifetimeOptions,
  ): Promise<Value>;
  /** Stores a value, false when a writer is at work on the key or Redis is away. Between processes, the last one wins. */
  set(key: string, value: unknown, lifetime?: LifetimeOptions): Promise<boolean>;
  /**
   * Forgets a value; true when there was one. Loads under way are not stored.
   *
   * For changes that others have made. Deleting after a change of one's own leaves the old value for its TTL when this
   * process dies in between: use `write`.
   */
  delete(key: string): Promise<boolean>;
  /**
   * Runs `change`, a write to the database that commits before it resolves, and forgets the keys it concerns.
   *
   * From before the change until after it, no process serves or stores anything under these keys, so that nobody sees
   * the old value once the change is committed. Resolves and rejects as `change` does.
   */
  write<Result>(keys: string | readonly string[], change: () => Promise<Result> | Result): Promise<Result>;
  /** `write` of one key, which then holds what `change` returned, unless somebody else wrote it meanwhile. */
  writeThrough<Value>(
    key: string,
    change: () => Promise<Value> | Value,
    lifetime?: LifetimeOptions,
  ): Promise<Value>;
  /** `load` with its results cached. */
  wrap<Args extends readonly unknown[], Value>(
    load: (...args: Args) => Promise<Value> | Value,
    options: WrapOptions<Args>,
  ): (...args: Args) => Promise<Value>;
}

/** The hash field that holds the value. */
const FIELD = 'v';

/** @throws SuiteError ERS_INVALID_OPTION, ERS_INVALID_CLIENT */
export function createCache(options: CacheOptions = {}): Cache {
  const resolved = resolveOptions(options);
  const { format, namespace, lifetime: defaults } = resolved;
  const store = openStore(resolved);
  const filler = new Filler(store, resolved);
  const writers = new Writers(store, { markMs: resolved.markMs, onChanged: (key) => filler.forget(key) });

  async function get<Value>(key: string): Promise<Value | undefined> {
    const startedAt = performance.now();
    const spelled = spell(key);
    const mayServe = await writers.mayServe(spelled);
    const found = mayServe
      ? await filler.find({ key: spelled, field: FIELD, decode: format.decode })
      : undefined;
    publish(found === undefined ? 'miss' : 'hit', startedAt);
    return found?.value as Value | undefined;
  }

  async function getOrLoad<Value>(
    key: string,
    load: () => Promise<Value> | Value,
    given: LifetimeOptions = {},
  ): Promise<Value> {
    const startedAt = performance.now();
    const lifetime = resolveLifetime(given, defaults);
    const request: FillRequest<Value> = {
      key: spell(key),
      field: FIELD,
      decode: format.decode as (bytes: Buffer) => Value,
      async load() {
        const value = await load();
        return { value: format.encode(value), ttlMs: ttlOf(value, lifetime) };
      },
    };
    const filled = await fill(request);
    publish(filled.outcome, startedAt);
    return filled.value;
  }

  async function fill<Value>(request: FillRequest<Value>): Promise<Filled<Value>> {
    return (await writers.mayServe(request.key)) ? filler.get(request) : filler.getAround(request);
  }

  async function set(key: string, value: unknown, given: LifetimeOptions = {}): Promise<boolean> {
    const spelled = spell(key);
    const bytes = format.encode(value);
    const ttlMs = ttlOf(value, resolveLifetime(given, defaults));
    if (ttlMs === 0) {
      await writers.drop(spelled);
      return false;
    }
    const isStored = await store.put(spelled, FIELD, bytes, { ttlMs }).catch(passTrouble);
    // What was there before may be there still, or again.
    if (isStored === undefined) writers.remember(spelled, newToken());
    filler.forget(spelled);
    return isStored ?? false;
  }

  async function write<Result>(
    keys: string | readonly string[],
    change: () => Promise<Result> | Result,
  ): Promise<Result> {
    const spelled = (typeof keys === 'string' ? [keys] : keys).map(spell);
    return writers.run(spelled, async () => change());
  }

  async function writeThrough<Value>(
    key: string,
    change: () => Promise<Value> | Value,
    given: LifetimeOptions = {},
  ): Promise<Value> {
    const lifetime = resolveLifetime(given, defaults);
    return writers.run(
      [spell(key)],
      async () => change(),
      function storeWith(value): EndMark {
        const bytes = format.encode(value);
        const ttlMs = ttlOf(value, lifetime);
        if (ttlMs === 0) return (mark) => store.unmark(mark.key, mark.token);
        return (mark) => store.unmarkWith(mark, FIELD, bytes, { ttlMs });
      },
    );
  }

  function wrap<Args extends readonly unknown[], Value>(
    load: (...args: Args) => Promise<Value> | Value,
    { key, ...lifetime }: WrapOptions<Args>,
  ): (...args: Args) => Promise<Value> {
    return function cached(...args) {
      return getOrLoad(key(...args), () => load(...args), lifetime);
    };
  }

  return { get, getOrLoad, set, delete: async (key) => writers.drop(spell(key)), write, writeThrough, wrap };

  function spell(key: string): string {
    if (typeof key !== 'string' || key === '')
      throw invalidOption('key', key, 'Use a string such as user:42.');
    return resolved.keyPrefix + spellId(key);
  }

  /** Never more than the lifetime, which bounds how long an old value may be served. */
  function ttlOf(value: unknown, { ttlMs, missTtlMs }: Required<LifetimeOptions>): number {
    const longestMs = isMissing(value) ? missTtlMs : ttlMs;
    return longestMs * (1 - resolved.jitter * Math.random());
  }

  function publish(outcome: Filled<unknown>['outcome'], startedAt: number): void {
    if (!cacheAsideChannel.hasSubscribers) return;
    cacheAsideChannel.publish({ namespace, outcome, durationMs: performance.now() - startedAt });
  }
}

function openStore({ client, deadlineMs, maxBytes, keyPrefix }: ResolvedOptions): FillStore {
  if (client !== undefined)
    return redisFillStore(guardRedis(client, { feature: 'cache-aside', deadlineMs }), {
      tagPrefix: `${keyPrefix}#`,
    });
  warnInProcessOnly('cache-aside');
  return memoryFillStore({ maxBytes });
}
