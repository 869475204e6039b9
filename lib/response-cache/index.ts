/** An RFC 9111 shared HTTP cache for handlers, on Redis: safe by default, exact where the standard is. */
export { type ResponseCache, responseCache } from './middleware.js';
export type { ResponseCacheOptions } from './options.js';
export type { Profile } from './policy.js';
export type { QueryParamsOptions, VaryOptions } from './vary-options.js';
