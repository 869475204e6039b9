// async-cache-dedupe, on Redis: the loader is defined beforehand, so it is found by its key here.

import { createCache } from 'async-cache-dedupe';
import { Redis } from 'ioredis';
import { LONG_S, SHORT_S, serveCache } from './app.mjs';

/** @type {Map<string, () => Promise<unknown>>} */
const loads = new Map();
const client = new Redis(process.env.BENCH_REDIS_URL ?? '');
const cache = createCache({ ttl: LONG_S, storage: { type: 'redis', options: { client } } })
  .define('long', load)
  .define('short', { ttl: SHORT_S }, load);

serveCache(async function getOrLoad(key, ofCaller, lifetimeS) {
  loads.set(key, ofCaller);
  try {
    return await (lifetimeS === LONG_S ? cache.long(key) : cache.short(key));
  } finally {
    loads.delete(key);
  }
});

/** @param {string} key */
async function load(key) {
  const ofCaller = /** @type {() => Promise<unknown>} */ (loads.get(key));
  return ofCaller();
}
