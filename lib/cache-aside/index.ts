/** Cache-aside for handlers and jobs: get or load, write without ever leaving the old value behind. */
export type { LoadMissing } from './batch.js';
export type { Cache, WrapOptions, Written } from './cache.js';
export { createCache } from './create.js';
export type { CacheSerializer } from './entry.js';
export type { EntryOptions, LifetimeOptions, LoadOptions } from './entry-options.js';
export { invalidateOnNotify, type ListeningSql, type NotifyOptions, type RowChange } from './notify.js';
export type { CacheOptions } from './options.js';
export { type NotifyTriggerOptions, notifyTriggerSql } from './trigger.js';
