/** What a cached value costs that no machine changes: commands and waits for Redis, bytes of its key, loads. They must not rise. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { type CacheOptions, createCache } from 'express-redis-suite/cache-aside';
import { connect, uniqueNamespace } from '../support/redis.js';
import { counted } from './counting.js';

const ROW = { id: 17, name: 'Ada Lovelace', bio: 'x'.repeat(150) };
/** Of a row of some 190 bytes. */
const BYTES_OF_A_ROW = 450;

async function caching(options: CacheOptions = {}, namespace: string = uniqueNamespace()) {
  const redis = await connect();
  const { client, during } = counted(redis);
  const cache = createCache({ client, namespace, beta: 0, deadlineMs: 10_000, ...options });
  // Redis knows all scripts from here on, and this process what time it is there.
  await cache.getOrLoad('warm', () => ROW);
  await cache.write('warm', () => {});
  await cache.set('warm', ROW);
  await cache.delete('warm');
  await cache.writeThrough('warm', () => ROW);
  await cache.get('warm');
  return { redis, namespace, cache, during };
}

const load = () => ROW;
const ONE = '1 evalSha in 1 round trip';

describe('A cache-aside cache asks Redis for', () => {
  test('one command when it hits', async () => {
    const { cache, during } = await caching();
    await cache.getOrLoad('key', load);
    expect(await during(() => cache.getOrLoad('key', load))).toBe('1 hmGet in 1 round trip');
    expect(await during(() => cache.get('key'))).toBe('1 hmGet in 1 round trip');
  });

  test('three when it misses: look, lease, store', async () => {
    const { cache, during } = await caching();
    const missing = during(() => cache.getOrLoad('key', load));
    expect(await missing).toBe('1 hmGet + 2 evalSha in 3 round trips');
  });

  test('one when it hits what carries tags, and one for each tag that is invalidated', async () => {
    const { cache, during } = await caching();
    const tagged = () => cache.getOrLoad('key', load, { tags: ['a', 'b', 'c'] });
    await tagged();
    await tagged();
    expect(await during(tagged)).toBe(ONE);
    await cache.invalidateTags('a');
    expect(await during(() => cache.invalidateTags('a', 'b'))).toBe('2 evalSha in 1 round trip');
  });

  test('one wait for many keys', async () => {
    const { cache, during } = await caching();
    const keys = Array.from({ length: 10 }, (_, i) => `key${i}`);
    const loadAll = (missing: readonly string[]) => missing.map((key) => [key, ROW] as const);
    await cache.loadMany(keys, loadAll);
    expect(await during(() => cache.getMany(keys))).toBe('10 hmGet in 1 round trip');
    expect(await during(() => cache.loadMany(keys, loadAll))).toBe('10 hmGet in 1 round trip');
    const others = keys.map((key) => `other-${key}`);
    const missing = during(() => cache.loadMany(others, loadAll));
    expect(await missing).toBe('10 hmGet + 20 evalSha in 3 round trips');
  });

  test('two around a write, one for a value that is set or deleted', async () => {
    const { cache, during } = await caching();
    expect(await during(() => cache.write('key', load))).toBe('2 evalSha in 2 round trips');
    expect(await during(() => cache.writeThrough('key', load))).toBe('2 evalSha in 2 round trips');
    expect(await during(() => cache.set('key', ROW))).toBe(ONE);
    expect(await during(() => cache.delete('key'))).toBe(ONE);
  });

  test('nothing when a copy is in memory', async () => {
    const { cache, during } = await caching({ memory: { maxBytes: 1_000_000 } });
    for (let times = 0; times < 3; times += 1) await cache.getOrLoad('key', load).then(() => sleep(50));
    expect(await during(() => cache.getOrLoad('key', load))).toBe('nothing');
  });
});

test('A key that is gone is loaded once, however many ask in two processes', async () => {
  const one = await caching();
  const other = await caching({}, one.namespace);
  let loads = 0;
  async function slowLoad() {
    loads += 1;
    return sleep(50, ROW);
  }
  const asking = Array.from({ length: 100 }, (_, i) =>
    (i % 2 ? one : other).cache.getOrLoad('key', slowLoad),
  );
  await Promise.all(asking);
  expect(loads).toBe(1);
});

test('The key of a value weighs what it did', async () => {
  const { redis, namespace, cache } = await caching();
  await cache.getOrLoad('user:17', load);
  expect(await redis.memoryUsage(`${namespace}:user:17`)).toBeLessThanOrEqual(BYTES_OF_A_ROW);
});
