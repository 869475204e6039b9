/** Cache-aside for handlers and jobs: get or load, write without ever leaving the old value behind. */
export { type Cache, createCache, type WrapOptions } from './cache.js';
export type { CacheSerializer } from './entry.js';
export type { CacheOptions, LifetimeOptions } from './options.js';
