/** What all methods of one cache share: its store, its engine, and how a value becomes an entry and is judged as one. */
import { cacheAsideChannel } from '../core/channels.js';
import { invalidOption } from '../core/errors.js';
import { guardRedis } from '../core/guard.js';
import { warnInProcessOnly } from '../core/in-process.js';
import { spellId } from '../core/keys.js';
import { shouldRefreshEarly } from '../fill/early-refresh.js';
import { type Filled, Filler } from '../fill/fill.js';
import { memoryTier } from '../fill/memory.js';
import { memoryFillStore } from '../fill/memory-store.js';
import { changesChannel, redisFillStore } from '../fill/redis-store.js';
import type { FillStore, Found } from '../fill/store.js';
import type { FindRequest, Use } from '../fill/usable.js';
import { tagId, Writers } from '../fill/writers.js';
import { isMissing, timesOf } from './entry.js';
import { type ResolvedEntry, tagsFor } from './entry-options.js';
import type { ResolvedOptions } from './options.js';

/** A value as it is stored; `ttlMs` 0: not at all. */
export interface Packed {
  readonly value: Buffer;
  readonly ttlMs: number;
  readonly tags: readonly string[];
}

/** The hash field that holds the value. */
export const FIELD = 'v';

export class Context {
  readonly options: ResolvedOptions;
  readonly store: FillStore;
  readonly filler: Filler;
  readonly writers: Writers;

  constructor(options: ResolvedOptions) {
    this.options = options;
    this.store = openStore(options);
    this.writers = new Writers({ markMs: options.markMs, onChanged: (key) => this.filler.forget(key) });
    this.filler = new Filler(this.store, { ...options, mayShare: () => this.writers.mayShareLoads() });
  }

  /** @throws SuiteError ERS_INVALID_OPTION */
  spell(key: unknown): string {
    if (typeof key !== 'string' || key === '')
      throw invalidOption('key', key, 'Use a string such as user:42.');
    return this.options.keyPrefix + spellId(key);
  }

  /** @throws SuiteError ERS_UNCACHEABLE_VALUE, ERS_INVALID_OPTION for its tags */
  pack(value: unknown, entry: ResolvedEntry, loadMs: number): Packed {
    const freshMs = this.#freshMs(value, entry);
    const staleMs = isMissing(value) ? 0 : entry.staleMs;
    const freshUntilMs = this.store.now() + freshMs;
    const bytes = this.options.format.encode(value, {
      freshUntilMs,
      staleUntilMs: freshUntilMs + staleMs,
      loadMs,
    });
    return { value: bytes, ttlMs: freshMs === 0 ? 0 : freshMs + staleMs, tags: tagsFor(value, entry) };
  }

  find<Value>(spelled: string, { beta }: ResolvedEntry): FindRequest<Value> {
    return {
      key: spelled,
      field: FIELD,
      judge: (found) => this.#judge(found, beta),
      read: this.options.format.decode as (bytes: Buffer) => Value,
    };
  }

  publish(outcome: Filled<unknown>['outcome'], startedAt: number): void {
    if (!cacheAsideChannel.hasSubscribers) return;
    const { namespace } = this.options;
    cacheAsideChannel.publish({ namespace, outcome, durationMs: performance.now() - startedAt });
  }

  /** Never more than the lifetime, which bounds how long an old value may be served. */
  #freshMs(value: unknown, { ttlMs, missTtlMs }: ResolvedEntry): number {
    return (isMissing(value) ? missTtlMs : ttlMs) * (1 - this.options.jitter * Math.random());
  }

  #judge({ bytes, tags, isExpired }: Found, beta: number): Use {
    if (tags.some((tag) => this.writers.isHeldBack(tagId(tag)))) return 'over';
    const { freshUntilMs, staleUntilMs, loadMs } = timesOf(bytes);
    const nowMs = this.store.now();
    if (nowMs >= staleUntilMs) return 'over';
    if (nowMs >= freshUntilMs) return 'stale';
    if (isExpired) return staleUntilMs > freshUntilMs ? 'stale' : 'over';
    const chance = Math.random();
    return shouldRefreshEarly({ nowMs, expiresAtMs: freshUntilMs, loadMs, beta, chance }) ? 'due' : 'fresh';
  }
}

function openStore({ client, deadlineMs, maxBytes, memory, keyPrefix }: ResolvedOptions): FillStore {
  if (client === undefined) {
    warnInProcessOnly('cache-aside');
    return memoryFillStore({ maxBytes });
  }
  const guard = guardRedis(client, { feature: 'cache-aside', deadlineMs });
  const tagPrefix = `${keyPrefix}#`;
  const shared = redisFillStore(guard, { tagPrefix });
  if (memory === undefined) return shared;
  const isFresh = ({ bytes, isExpired }: Found) => !isExpired && shared.now() < timesOf(bytes).freshUntilMs;
  return memoryTier(shared, {
    guard,
    channel: changesChannel(tagPrefix),
    maxBytes: memory.maxBytes,
    isFresh,
  });
}
