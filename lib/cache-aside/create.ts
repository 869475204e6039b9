/** Makes a cache beside a database. */
import type { Cache } from './cache.js';
import { Context } from './context.js';
import { type CacheOptions, resolveOptions } from './options.js';
import { readsOf } from './reads.js';
import { writesOf } from './writes.js';

/** @throws SuiteError ERS_INVALID_OPTION, ERS_INVALID_CLIENT */
export function createCache(options: CacheOptions = {}): Cache {
  const context = new Context(resolveOptions(options));
  return { ...readsOf(context), ...writesOf(context) };
}
