import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type Cache, createCache } from 'express-redis-suite/cache-aside';
import { Redis as Ioredis } from 'ioredis';
import { onTestEnd } from '../support/cleanup.js';
import { commandsDuring, uniqueNamespace } from '../support/redis.js';
import { RedisServer, sharedRedisUrl } from '../support/redis-server.js';
import { Hold, openCache } from './support.js';

const kinds: Record<string, (namespace: string) => Promise<Cache>> = {
  'in this process': async (namespace) => createCache({ namespace }),
  'on Redis': async (namespace) => (await openCache(namespace)).cache,
};

/** Every key's row is its name in upper case, but for those that begin with `no`. */
function table() {
  return jest.fn(async (keys: readonly string[]) => {
    await sleep(5);
    return keys.filter((key) => !key.startsWith('no')).map((key) => [key, key.toUpperCase()] as const);
  });
}

describe.each(Object.keys(kinds))('many keys %s', (kind) => {
  let namespace: string;
  let cache: Cache;

  beforeEach(async () => {
    namespace = uniqueNamespace();
    cache = await kinds[kind]!(namespace);
  });

  it('are got as far as they are there', async () => {
    await cache.set('a', 1);
    await cache.set('b', null);
    expect(await cache.getMany(['a', 'b', 'c', 'a'])).toEqual(
      new Map<string, unknown>([
        ['a', 1],
        ['b', null],
      ]),
    );
    expect(await cache.getMany([])).toEqual(new Map());
  });

  it('are loaded by one call, for those that are not there, and come back in the order asked for', async () => {
    await cache.set('b', 'cached');
    const load = table();
    const all = await cache.loadMany(['c', 'b', 'none', 'a', 'c'], load);
    expect([...all]).toEqual([
      ['c', 'C'],
      ['b', 'cached'],
      ['none', undefined],
      ['a', 'A'],
    ]);
    expect(load.mock.calls.map(([keys]) => [...keys].sort())).toEqual([['a', 'c', 'none']]);
    await cache.loadMany(['a', 'b', 'c', 'none'], load);
    expect(load).toHaveBeenCalledTimes(1);
    expect(await cache.loadMany([], load)).toEqual(new Map());
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('are each loaded once, however many lists that overlap ask at once', async () => {
    const load = table();
    const lists = Array.from({ length: 20 }, (_, i) => ['a', 'b', `own:${i}`, 'c']);
    const answers = await Promise.all(lists.map((keys) => cache.loadMany(keys, load)));
    for (const [i, answer] of answers.entries())
      expect([...answer.values()]).toEqual(['A', 'B', `OWN:${i}`, 'C']);
    const loaded = load.mock.calls.flatMap(([keys]) => keys);
    expect(loaded.sort()).toEqual([...new Set(loaded)].sort());
    expect(loaded).toHaveLength(23);
  });

  it('do not wait for each other in a circle', async () => {
    const load = table();
    const startedAt = performance.now();
    const orders = [
      ['a', 'b'],
      ['b', 'a'],
      ['a', 'b'],
      ['b', 'a'],
    ];
    await Promise.all([
      cache.write(['a'], () => Promise.all(orders.map((keys) => cache.loadMany(keys, load)))),
      ...orders.map((keys) => cache.loadMany(keys, load)),
    ]);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it('share loads with those who ask for one', async () => {
    const loading = new Hold();
    const one = cache.getOrLoad('a', () => loading.step().then(() => 'one'));
    await loading.reached;
    const load = table();
    const many = cache.loadMany(['a', 'b'], load);
    await sleep(50);
    expect(load.mock.calls.map(([keys]) => keys)).toEqual([['b']]);
    loading.letGo();
    expect(await one).toBe('one');
    expect((await many).get('a')).toBe('one');
  });

  it('fail with the load, which is not remembered', async () => {
    const boom = new Error('boom');
    await expect(cache.loadMany(['a', 'b'], () => Promise.reject(boom))).rejects.toBe(boom);
    const throwing = () => {
      throw boom;
    };
    await expect(cache.loadMany(['a', 'b'], throwing)).rejects.toBe(boom);
    await expect(cache.loadMany(['a'], () => 42 as never)).rejects.toThrow(/iterable/);
    expect((await cache.loadMany(['a', 'b'], table())).get('b')).toBe('B');
  });

  it('are not stored when one is written meanwhile, but the others are', async () => {
    const loading = new Hold();
    const old = cache.loadMany(['a', 'b'], async (keys) => {
      await loading.step();
      return keys.map((key) => [key, 'old']);
    });
    await loading.reached;
    await cache.write('a', () => {});
    loading.letGo();
    await old;
    expect(await cache.getMany(['a', 'b'])).toEqual(new Map([['b', 'old']]));
  });

  it('carry tags of their own', async () => {
    const tags = (value: string) => [`letter:${value}`];
    await cache.loadMany(['a', 'b', 'none'], table(), { tags });
    await cache.invalidateTags('letter:A');
    expect([...(await cache.getMany(['a', 'b', 'none'])).keys()]).toEqual(['b', 'none']);
  });
});

describe('many keys', () => {
  it('cost one round trip when they are there, and three when they are loaded', async () => {
    const server = await RedisServer.start();
    const { cache, client } = await openCache(uniqueNamespace(), {}, server.url);
    const keys = Array.from({ length: 10 }, (_, i) => `row:${i}`);
    await cache.loadMany(keys, table());
    const hits = await commandsDuring(client, () => cache.loadMany(keys, table()));
    expect(hits).toEqual({ hmget: 10 });
  });

  it('are loaded by one call while Redis is away', async () => {
    const server = await RedisServer.start();
    const { cache } = await openCache(uniqueNamespace(), { deadlineMs: 100 }, server.url);
    await server.kill();
    const load = table();
    expect([...(await cache.loadMany(['a', 'b'], load)).values()]).toEqual(['A', 'B']);
    expect(load).toHaveBeenCalledTimes(1);
    expect(await cache.getMany(['a', 'b'])).toEqual(new Map());
  });

  it('are not sent to Redis all at once, for a crowd misses its deadlines', async () => {
    const client = new Ioredis(sharedRedisUrl());
    onTestEnd(() => client.disconnect());
    let underWay = 0;
    let most = 0;
    const commands = client as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    for (const command of ['evalsha', 'evalshaBuffer', 'hmgetBuffer']) {
      const send = commands[command]?.bind(client);
      commands[command] = async function counted(...args) {
        underWay += 1;
        most = Math.max(most, underWay);
        return send?.(...args).finally(() => {
          underWay -= 1;
        });
      };
    }
    await client.ping();
    const cache = createCache({ client, namespace: uniqueNamespace(), deadlineMs: 5_000 });
    const keys = Array.from({ length: 1_000 }, (_, i) => `row:${i}`);
    const load = table();
    await cache.loadMany(keys, load);
    expect((await cache.getMany(keys)).size).toBe(keys.length);
    await Promise.all(keys.map((key) => cache.get(key)));
    await cache.write(keys, () => {});
    expect((await cache.getMany(keys)).size).toBe(0);
    await cache.loadMany(keys, load);
    expect(load).toHaveBeenCalledTimes(2);
    expect(most).toBeGreaterThan(50);
    expect(most).toBeLessThanOrEqual(200);
  });
});
