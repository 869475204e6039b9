/** What may be said of one value: how long it lives, what purges it, how it is loaded. */
import { invalidOption } from '../core/errors.js';
import { isMissing } from './entry.js';
import { atLeast, within } from './numbers.js';

export interface LifetimeOptions {
  /** How long a value may be served, in milliseconds; the cache's own unless given. */
  readonly ttlMs?: number;
  /** The same for a missing one (`null` or `undefined`); 0: not cached. The cache's own unless given. */
  readonly missTtlMs?: number;
  /**
   * How long after that a value may stand in, in milliseconds: while one caller loads its successor, when the load takes
   * longer than `softTimeoutMs`, and when it fails. The cache's own unless given. A missing row never stands in.
   */
  readonly staleMs?: number;
}

/** @typeParam Value what the tags may be a function of */
export interface EntryOptions<Value = unknown> extends LifetimeOptions {
  /**
   * What `invalidateTags` may call to purge this value with others, such as `['catalogue']` or
   * `(product) => ['category:' + product.categoryId]`, which is not asked of missing rows. At most 100. Default: none.
   */
  readonly tags?: readonly string[] | ((value: Value) => readonly string[]);
}

export interface LoadOptions<Value = unknown> extends EntryOptions<Value> {
  /**
   * How long who could be served a stale value waits for the load instead, in milliseconds; the load goes on and stores
   * what it brings. 0: not at all. The cache's own unless given.
   */
  readonly softTimeoutMs?: number;
  /** XFetch: over 1 loads earlier before the end of a value, 0 never. The cache's own unless given. */
  readonly beta?: number;
}

export interface ResolvedEntry {
  readonly ttlMs: number;
  readonly missTtlMs: number;
  readonly staleMs: number;
  readonly softTimeoutMs: number;
  readonly beta: number;
  readonly tags: readonly string[] | ((value: never) => readonly string[]);
}

const MAX_TAGS = 100;
/** What a timer can hold. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Two of them from now are still a time that an entry can name. */
const LONGEST_LIFE_MS = 1e15;

/** @throws SuiteError ERS_INVALID_OPTION */
export function resolveEntry<Value>(given: LoadOptions<Value>, defaults: ResolvedEntry): ResolvedEntry {
  const { ttlMs, missTtlMs, staleMs, softTimeoutMs, beta, tags } = given;
  const chosenTags = tags ?? defaults.tags;
  const resolvedTtlMs = within(1, LONGEST_LIFE_MS, 'ttlMs', ttlMs ?? defaults.ttlMs);
  return {
    ttlMs: resolvedTtlMs,
    missTtlMs: within(
      0,
      LONGEST_LIFE_MS,
      'missTtlMs',
      missTtlMs ?? Math.min(resolvedTtlMs, defaults.missTtlMs),
    ),
    staleMs: within(0, LONGEST_LIFE_MS, 'staleMs', staleMs ?? defaults.staleMs),
    softTimeoutMs: within(0, LONGEST_TIMER_MS, 'softTimeoutMs', softTimeoutMs ?? defaults.softTimeoutMs),
    beta: atLeast(0, 'beta', beta ?? defaults.beta),
    tags: typeof chosenTags === 'function' ? chosenTags : judgedTags(chosenTags),
  };
}

/** @throws SuiteError ERS_INVALID_OPTION */
export function tagsFor(value: unknown, { tags }: ResolvedEntry): readonly string[] {
  if (typeof tags !== 'function') return tags;
  return isMissing(value) ? [] : judgedTags(tags(value as never));
}

/** @throws SuiteError ERS_INVALID_OPTION */
export function judgedTags(tags: unknown, most: number = MAX_TAGS): readonly string[] {
  if (Array.isArray(tags) && tags.length <= most && tags.every((tag) => typeof tag === 'string' && tag))
    return tags as string[];
  throw invalidOption('tags', tags, `Use up to ${most} strings, or a function that returns them.`);
}
