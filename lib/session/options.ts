/** The store's options: connect-redis' own, with its names, units and defaults, and what is new. */
import type { RedisClient } from '../core/client.js';
import { invalidOption } from '../core/errors.js';
import { requireTtl, type Ttl } from './lifetime.js';
import type { Serializer } from './save.js';

export interface RedisSessionStoreOptions {
  /** Any client of `redis` (5 or later) or `ioredis` (5 or later). It stays yours: never closed here. */
  readonly client: RedisClient;
  /** What keys begin with; the rest is the session id. Default `'sess:'`. */
  readonly prefix?: string | null | undefined;
  /** A hint how many keys Redis looks at in the first step of a listing; later steps grow. Default 100. */
  readonly scanCount?: number | undefined;
  /** Turns a session into text and back; either may return a promise. Default `JSON`. */
  readonly serializer?: Serializer | undefined;
  /**
   * Seconds that a session lives whose cookie ends with the browser (`maxAge` not set); a function decides for every
   * session. Fractions are allowed. Default 86400, one day.
   */
  readonly ttl?: Ttl | undefined;
  /** Stores sessions without a time to live: they stay until they are destroyed. Default false. */
  readonly disableTTL?: boolean | undefined;
  /** Lets the lifetime run from the last save, not from the last request. Default false. */
  readonly disableTouch?: boolean | undefined;
  /** How long one call to Redis may take, in milliseconds. Default 250. */
  readonly deadlineMs?: number | undefined;
}

export const DEFAULT_DEADLINE_MS = 250;

/** @throws SuiteError ERS_INVALID_OPTION */
export function requireSound(options: RedisSessionStoreOptions): RedisSessionStoreOptions {
  const { prefix, scanCount, serializer, ttl, deadlineMs } = options;
  if (prefix != null && typeof prefix !== 'string') throw invalidOption('prefix', prefix, 'Give a string.');
  if (scanCount != null && !(Number.isInteger(scanCount) && scanCount > 0)) {
    throw invalidOption('scanCount', scanCount, 'Give a whole number of keys, at least 1.');
  }
  if (serializer != null && !isSerializer(serializer)) {
    throw invalidOption('serializer', serializer, 'Give an object with the functions parse and stringify.');
  }
  if (ttl != null) requireTtl(ttl);
  if (deadlineMs != null && !(Number.isFinite(deadlineMs) && deadlineMs > 0)) {
    throw invalidOption('deadlineMs', deadlineMs, 'Give milliseconds, more than 0.');
  }
  return options;
}

function isSerializer({ parse, stringify }: Partial<Serializer>): boolean {
  return typeof parse === 'function' && typeof stringify === 'function';
}
