// Values that stand in while their successor is loaded, and values that are loaded anew before their end.
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type Cache, type CacheOptions, createCache } from 'express-redis-suite/cache-aside';
import { uniqueNamespace } from '../support/redis.js';
import { until } from '../support/until.js';
import { Hold, openCache } from './support.js';

const KEY = 'user:42';
const A_MINUTE = 60_000;
/** Fresh for a moment, stale for long. */
const BRIEFLY = { ttlMs: 40, jitter: 0, staleMs: A_MINUTE };

const kinds: Record<string, (namespace: string, options: CacheOptions) => Promise<Cache>> = {
  'in this process': async (namespace, options) => createCache({ namespace, ...options }),
  'on Redis': async (namespace, options) => (await openCache(namespace, options)).cache,
};

describe.each(Object.keys(kinds))('a stale value %s', (kind) => {
  const open = (options: CacheOptions = {}) => kinds[kind]!(uniqueNamespace(), { ...BRIEFLY, ...options });
  let cache: Cache;

  beforeEach(async () => {
    cache = await open();
  });

  async function leaveStale(of = cache): Promise<void> {
    await of.getOrLoad(KEY, () => 'old');
    await sleep(60);
  }

  it('is no value for who only gets', async () => {
    await leaveStale();
    expect(await cache.get(KEY)).toBeUndefined();
    expect((await cache.getMany([KEY])).size).toBe(0);
  });

  it('is served to all others at once while one loads', async () => {
    await leaveStale();
    const loading = new Hold();
    const first = cache.getOrLoad(KEY, () => loading.step().then(() => 'new'));
    await loading.reached;
    const load = jest.fn(() => 'second load');
    const others = await Promise.all(Array.from({ length: 50 }, () => cache.getOrLoad(KEY, load)));
    expect(new Set(others)).toEqual(new Set(['old']));
    expect(load).not.toHaveBeenCalled();
    loading.letGo();
    expect(await first).toBe('new');
    expect(await cache.getOrLoad(KEY, load, { beta: 0 })).toBe('new');
  });

  it('is served when the load fails, and the next call tries again', async () => {
    await leaveStale();
    const load = jest.fn(async () => Promise.reject(new Error('the database is away')));
    expect(await cache.getOrLoad<unknown>(KEY, load)).toBe('old');
    expect(await cache.getOrLoad<unknown>(KEY, load)).toBe('old');
    expect(load).toHaveBeenCalledTimes(2);
    expect(await cache.getOrLoad(KEY, () => 'new')).toBe('new');
  });

  it('is served after the soft timeout, and the load goes on and is stored', async () => {
    await leaveStale();
    const loading = new Hold();
    const load = () => loading.step().then(() => 'new');
    const startedAt = performance.now();
    expect(await cache.getOrLoad(KEY, load, { softTimeoutMs: 30 })).toBe('old');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(25);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(await cache.getOrLoad(KEY, () => 'no', { softTimeoutMs: 0 })).toBe('old');
    loading.letGo();
    await until(async () => (await cache.getOrLoad(KEY, () => 'newest', { softTimeoutMs: 0 })) === 'new');
  });

  it('may be served with a load that fails later, which harms nobody', async () => {
    await leaveStale();
    const loading = new Hold();
    const load = () => loading.step().then(() => Promise.reject(new Error('boom')));
    expect(await cache.getOrLoad<unknown>(KEY, load, { softTimeoutMs: 0 })).toBe('old');
    loading.letGo();
    await sleep(10);
    expect(await cache.getOrLoad(KEY, () => 'new')).toBe('new');
  });

  it('is over after staleMs', async () => {
    const brief = await open({ staleMs: 40 });
    await leaveStale(brief);
    await sleep(60);
    await expect(brief.getOrLoad(KEY, () => Promise.reject(new Error('boom')))).rejects.toThrow('boom');
  });

  it('is gone after a write, a delete and a purge of its tag', async () => {
    const tagged = { tags: ['users'] };
    for (const forget of [
      () => cache.write(KEY, () => {}),
      () => cache.delete(KEY),
      () => cache.invalidateTags('users'),
    ]) {
      await cache.getOrLoad(KEY, () => 'old', tagged);
      await sleep(60);
      await forget();
      expect(await cache.getOrLoad(KEY, () => 'new', { softTimeoutMs: 0 })).toBe('new');
      await cache.delete(KEY);
    }
  });

  it('does not stand in for a missing row', async () => {
    await cache.getOrLoad(KEY, () => null, { missTtlMs: 30 });
    await sleep(60);
    expect(await cache.getOrLoad<unknown>(KEY, () => 'new', { softTimeoutMs: 0 })).toBe('new');
  });

  it('stands in for each key of a list on its own', async () => {
    await cache.loadMany(['a', 'b'], (keys) => keys.map((key) => [key, 'old']));
    await sleep(60);
    await cache.set('b', 'fresh', { ttlMs: A_MINUTE });
    const boom = async () => Promise.reject(new Error('boom'));
    expect([...(await cache.loadMany<unknown>(['a', 'b'], boom))]).toEqual([
      ['a', 'old'],
      ['b', 'fresh'],
    ]);
    await expect(cache.loadMany<unknown>(['a', 'c'], boom)).rejects.toThrow('boom');
  });
});

describe.each(Object.keys(kinds))('a value near its end, %s,', (kind) => {
  const open = () => kinds[kind]!(uniqueNamespace(), { jitter: 0 });

  it('is loaded anew while it is served, by one', async () => {
    const cache = await open();
    // So eager that the first look is enough: the load took 50 ms, and chance decides over thousands of them.
    const eager = { beta: 1e9 };
    await cache.getOrLoad(KEY, () => sleep(50, 'old'), eager);
    const loading = new Hold();
    const load = jest.fn(() => loading.step().then(() => 'new'));
    const served = await Promise.all(Array.from({ length: 20 }, () => cache.getOrLoad(KEY, load, eager)));
    expect(new Set(served)).toEqual(new Set(['old']));
    await loading.reached;
    loading.letGo();
    await until(async () => (await cache.get(KEY)) === 'new');
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('is not with beta 0', async () => {
    const cache = await open();
    const load = jest.fn(() => sleep(20, 'value'));
    for (let i = 0; i < 20; i += 1) await cache.getOrLoad(KEY, load, { beta: 0, ttlMs: 5_000 });
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('is served though that load fails', async () => {
    const cache = await open();
    await cache.getOrLoad(KEY, () => sleep(50, 'old'));
    const load = jest.fn(async () => Promise.reject(new Error('boom')));
    expect(await cache.getOrLoad<unknown>(KEY, load, { beta: 1e9 })).toBe('old');
    await until(async () => load.mock.calls.length === 1);
    expect(await cache.get(KEY)).toBe('old');
  });
});
