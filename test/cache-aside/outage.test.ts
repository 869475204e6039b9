import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, jest } from '@jest/globals';
import { type Cache, createCache } from 'express-redis-suite/cache-aside';
import { createClient } from 'redis';
import { onTestEnd } from '../support/cleanup.js';
import { uniqueNamespace } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { Hold, openCache } from './support.js';

const KEY = 'user:42';

async function inUseAgain(cache: Cache): Promise<void> {
  const giveUpAt = performance.now() + 10_000;
  while ((await cache.get(KEY)) === undefined) {
    if (performance.now() > giveUpAt) throw new Error('Redis was not used again within 10 s');
    await cache.getOrLoad(KEY, () => 'cached');
    await sleep(10);
  }
}

describe('while Redis is away, a cache', () => {
  it.each(['kill', 'freeze'] as const)('loads, and uses Redis again afterwards: %s', async (fault) => {
    const server = await RedisServer.start();
    const { cache } = await openCache(uniqueNamespace(), { deadlineMs: 100 }, server.url);
    await cache.getOrLoad(KEY, () => 'cached');

    await server[fault]();
    const startedAt = performance.now();
    for (let i = 0; i < 10; i += 1)
      expect(await cache.getOrLoad(KEY, () => `loaded ${i}`)).toBe(`loaded ${i}`);
    // Three deadlines of 100 ms at most, then the breaker is open; the rest is for a busy machine.
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(await cache.get(KEY)).toBeUndefined();
    expect(await cache.set(KEY, 'lost')).toBe(false);
    expect(await cache.delete(KEY)).toBe(false);

    if (fault === 'kill') await server.restart();
    else server.thaw();
    await inUseAgain(cache);
  });

  it('runs one load in this process for all who ask at once', async () => {
    const server = await RedisServer.start();
    const { cache } = await openCache(uniqueNamespace(), { deadlineMs: 100 }, server.url);
    await server.kill();
    const load = jest.fn(() => sleep(100, 'loaded'));
    const all = await Promise.all(Array.from({ length: 100 }, () => cache.getOrLoad(KEY, load)));
    expect(new Set(all)).toEqual(new Set(['loaded']));
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('does not share a load that began before a write of this process with one who asks after it', async () => {
    const server = await RedisServer.start();
    const { cache } = await openCache(uniqueNamespace(), { deadlineMs: 100 }, server.url);
    await server.kill();
    const loading = new Hold();
    const early = cache.getOrLoad(KEY, () => loading.step().then(() => 'old'));
    await loading.reached;
    await cache.write(KEY, () => {});
    expect(await cache.getOrLoad(KEY, () => 'new')).toBe('new');
    loading.letGo();
    expect(await early).toBe('old');
  });

  it('rejects with the error of the load and no other', async () => {
    const server = await RedisServer.start();
    const { cache } = await openCache(uniqueNamespace(), { deadlineMs: 100 }, server.url);
    await server.kill();
    const boom = new Error('boom');
    await expect(cache.getOrLoad(KEY, () => Promise.reject(boom))).rejects.toBe(boom);
    await expect(cache.write(KEY, () => Promise.reject(boom))).rejects.toBe(boom);
  });

  it('serves what was loaded though Redis went away during the load', async () => {
    const server = await RedisServer.start();
    const { cache } = await openCache(uniqueNamespace(), { deadlineMs: 100 }, server.url);
    const value = await cache.getOrLoad(KEY, async () => {
      await server.kill();
      return 'loaded';
    });
    expect(value).toBe('loaded');
  });

  it('loads though Redis takes no writes', async () => {
    const server = await RedisServer.start({ args: ['--maxmemory-policy', 'noeviction'] });
    const { cache, client } = await openCache(uniqueNamespace(), {}, server.url);
    await cache.set('warm', 'cached');
    await client.configSet('maxmemory', '1');
    expect(await cache.getOrLoad(KEY, () => 'loaded')).toBe('loaded');
    expect(await cache.getOrLoad('warm', () => 'loaded')).toBe('cached');
    expect(await cache.write('warm', () => 'written')).toBe('written');
    expect(await cache.get('warm')).toBeUndefined();
  });

  it('works before its client was ever connected', async () => {
    const server = await RedisServer.start();
    const client = createClient({ url: server.url });
    onTestEnd(() => client.isOpen && client.destroy());
    const cache = createCache({ client, namespace: uniqueNamespace() });
    expect(await cache.getOrLoad(KEY, () => 'loaded')).toBe('loaded');
    expect(await cache.write(KEY, () => 'written')).toBe('written');
    await client.connect();
    await inUseAgain(cache);
  });

  it('shares no load that began before a write by tag with who asks after its commit', async () => {
    const server = await RedisServer.start();
    const { cache } = await openCache(uniqueNamespace(), { deadlineMs: 100 }, server.url);
    await server.kill();
    await cache.get(KEY);

    let row = 'old';
    const loading = new Hold();
    const committed = new Hold();
    const options = { tags: ['staff'] };
    async function slowLoad() {
      const value = row;
      await loading.step();
      return value;
    }
    const early = cache.getOrLoad(KEY, slowLoad, options);
    await loading.reached;
    const writing = cache.write({ tags: ['staff'] }, async () => {
      row = 'new';
      await committed.step();
    });
    await committed.reached;
    const late = [1, 2].map(() => cache.getOrLoad(KEY, () => row, options));
    // By then both have found what they may share.
    await sleep(20);
    loading.letGo();
    expect([await early, ...(await Promise.all(late))]).toEqual(['old', 'new', 'new']);
    committed.letGo();
    await writing;

    const load = jest.fn(() => sleep(50, 'row'));
    await Promise.all([1, 2, 3].map(() => cache.getOrLoad('user:7', load, options)));
    expect(load).toHaveBeenCalledTimes(1);

    await server.restart();
    await until(async () => {
      await cache.getOrLoad(KEY, () => row, options);
      return (await cache.get(KEY)) === 'new';
    });
  });
});
