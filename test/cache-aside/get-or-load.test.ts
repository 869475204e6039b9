import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type Cache, type CacheOptions, createCache } from 'express-redis-suite/cache-aside';
import { Redis as Ioredis } from 'ioredis';
import { onTestEnd } from '../support/cleanup.js';
import { commandsDuring, connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import { RedisServer, sharedRedisUrl } from '../support/redis-server.js';
import { Hold, keysOf, openCache } from './support.js';

const kinds: Record<string, (namespace: string, options?: CacheOptions) => Promise<Cache>> = {
  'in this process': async (namespace, options) => createCache({ namespace, ...options }),
  'on node-redis': async (namespace, options) => (await openCache(namespace, options)).cache,
  async 'on ioredis'(namespace, options) {
    const client = new Ioredis(sharedRedisUrl());
    onTestEnd(() => client.disconnect());
    await client.ping();
    return createCache({ client, namespace, deadlineMs: 2_000, ...options });
  },
};

describe.each(Object.keys(kinds))('a cache %s', (kind) => {
  const open = (options?: CacheOptions) => kinds[kind]!(uniqueNamespace(), options);
  let cache: Cache;

  beforeEach(async () => {
    cache = await open();
  });

  it('loads what it does not have, once', async () => {
    const load = jest.fn(async () => ({ id: 42, name: 'Ada' }));
    for (let i = 0; i < 3; i += 1)
      expect(await cache.getOrLoad('user:42', load)).toEqual({ id: 42, name: 'Ada' });
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('takes a loader that is not async', async () => {
    expect(await cache.getOrLoad('user:42', () => 'Ada')).toBe('Ada');
  });

  it('runs one load for 200 who ask at once', async () => {
    const load = jest.fn(() => sleep(30, 'Ada'));
    const all = await Promise.all(Array.from({ length: 200 }, () => cache.getOrLoad('user:42', load)));
    expect(new Set(all)).toEqual(new Set(['Ada']));
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('gives each caller a copy of its own, the same on a miss as on a hit', async () => {
    const row = { born: new Date(0), tags: ['a'], nothing: undefined };
    const copies = await Promise.all([1, 2, 3].map(() => cache.getOrLoad('user:42', async () => row)));
    copies.push(await cache.getOrLoad('user:42', async () => row));
    for (const copy of copies) expect(copy).toEqual({ born: '1970-01-01T00:00:00.000Z', tags: ['a'] });
    expect(new Set([row, ...copies]).size).toBe(5);
  });

  it('gives each caller bytes of its own, whatever a serializer makes of them', async () => {
    const asTheyAre = { encode: (value: unknown) => value as Buffer, decode: (bytes: Buffer) => bytes };
    const images = await open({ serializer: asTheyAre });
    const read = () => images.getOrLoad('image:42', () => sleep(20, Buffer.from('image')));
    const spoilt = async () => (await read()).fill('x');
    const [, shared] = await Promise.all([spoilt(), read()]);
    expect(shared.toString()).toBe('image');
    await spoilt();
    expect((await read()).toString()).toBe('image');
  });

  it('fails for all who share a load that fails, with its error, and loads again for the next', async () => {
    const boom = new Error('boom');
    const load = jest.fn(() => sleep(20).then(() => Promise.reject(boom)));
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => cache.getOrLoad('user:42', load)));
    expect(all.every((one) => one.status === 'rejected' && one.reason === boom)).toBe(true);
    expect(load).toHaveBeenCalledTimes(1);
    expect(await cache.getOrLoad('user:42', async () => 'Ada')).toBe('Ada');
  });

  it('fails as one that throws at once does', async () => {
    const thrower = () => {
      throw new Error('at once');
    };
    await expect(cache.getOrLoad('user:42', thrower)).rejects.toThrow('at once');
    expect(await cache.getOrLoad('user:42', () => 'Ada')).toBe('Ada');
  });

  it.each([0, '', false, [], {}, 'ü€😀', -1.5, null, undefined])('keeps %p', async (value) => {
    await cache.getOrLoad('it', async () => value);
    const load = jest.fn(async () => 'loaded again');
    expect(await cache.getOrLoad<unknown>('it', load)).toEqual(value);
    expect(load).not.toHaveBeenCalled();
    expect(await cache.get('it')).toEqual(value);
  });

  it.each<[string, unknown]>([
    ['a BigInt', { id: 42n }],
    ['a function', () => 42],
    ['a symbol', Symbol('42')],
  ])('says so when %s cannot be kept', async (_, value) => {
    const uncacheable = { code: 'ERS_UNCACHEABLE_VALUE', message: expect.stringContaining('serializer') };
    await expect(cache.getOrLoad('it', () => value)).rejects.toMatchObject(uncacheable);
    await expect(cache.set('it', value)).rejects.toMatchObject(uncacheable);
  });

  it('loads again after the TTL, which is that of the call or else of the cache', async () => {
    const short = await open({ ttlMs: 60 });
    await short.getOrLoad('a', () => 'old');
    await short.getOrLoad('b', () => 'old', { ttlMs: 60_000 });
    await sleep(90);
    expect(await short.getOrLoad('a', () => 'new')).toBe('new');
    expect(await short.getOrLoad('b', () => 'new')).toBe('old');
  });

  it('takes a missing row as missing for a short while', async () => {
    const cautious = await open({ missTtlMs: 500 });
    await cautious.getOrLoad('user:43', () => null);
    expect(await cautious.getOrLoad<unknown>('user:43', () => 'Bob')).toBeNull();
    await sleep(550);
    expect(await cautious.getOrLoad('user:43', () => 'Bob')).toBe('Bob');
  });

  it('takes a missing row as missing for no longer than a row is kept', async () => {
    const short = await open({ ttlMs: 60 });
    await short.getOrLoad('user:43', () => null);
    await sleep(90);
    expect(await short.getOrLoad('user:43', () => 'Bob')).toBe('Bob');
  });

  it('does not keep missing rows with missTtlMs: 0', async () => {
    const never = await open({ missTtlMs: 0 });
    expect(await never.getOrLoad('user:43', () => undefined)).toBeUndefined();
    expect(await never.getOrLoad('user:43', () => 'Bob')).toBe('Bob');
  });

  it('gets, sets and deletes', async () => {
    expect(await cache.get('user:42')).toBeUndefined();
    expect(await cache.delete('user:42')).toBe(false);
    expect(await cache.set('user:42', { name: 'Ada' })).toBe(true);
    expect(await cache.get('user:42')).toEqual({ name: 'Ada' });
    expect(await cache.delete('user:42')).toBe(true);
    expect(await cache.get('user:42')).toBeUndefined();
  });

  it.each<[string, (c: Cache) => Promise<unknown>]>([
    ['a delete', (c) => c.delete('user:42')],
    ['a write', (c) => c.write('user:42', async () => {})],
  ])('neither stores nor shares a load that began before %s', async (_, change) => {
    const loading = new Hold();
    const first = cache.getOrLoad('user:42', async () => {
      await loading.step();
      return 'old';
    });
    await loading.reached;
    await change(cache);
    expect(await cache.getOrLoad('user:42', async () => 'new')).toBe('new');
    loading.letGo();
    expect(await first).toBe('old');
    expect(await cache.get('user:42')).toBe('new');
  });

  it('wraps a function', async () => {
    const load = jest.fn(async (id: number, lang: string) => `${lang}${id}`);
    const cached = cache.wrap(load, { key: (id, lang) => `user:${id}:${lang}`, ttlMs: 60_000 });
    expect([await cached(1, 'en'), await cached(1, 'en'), await cached(2, 'en')]).toEqual([
      'en1',
      'en1',
      'en2',
    ]);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('keeps what a serializer makes of a value', async () => {
    class Serializer {
      readonly #head = 'id ';
      encode(value: unknown) {
        return Buffer.from(`${this.#head}${(value as { id: bigint }).id}`);
      }
      decode(bytes: Buffer) {
        return { id: BigInt(bytes.toString().slice(this.#head.length)) };
      }
    }
    const custom = await open({ serializer: new Serializer() });
    await custom.getOrLoad('it', async () => ({ id: 42n }));
    expect(await custom.get('it')).toEqual({ id: 42n });
    expect(await custom.getOrLoad<unknown>('none', () => null)).toBeNull();
  });

  it.each([
    'a b',
    'user:*',
    '{tag}',
    'üser',
    'x'.repeat(5_000),
    '\u0000\r\n',
    '__proto__',
    '../..',
    '\ud800',
  ])('keeps hostile keys apart: %j', async (key) => {
    await cache.set(key, 'mine');
    await cache.set(`${key} `, 'another');
    await cache.set(key.slice(0, -1) || 'other', 'another');
    expect(await cache.get(key)).toBe('mine');
  });

  it.each([undefined, null, 42, '', {}])('refuses the key %p', async (key) => {
    const refused = { code: 'ERS_INVALID_OPTION', message: expect.stringContaining('user:42') };
    await expect(cache.getOrLoad(key as string, () => 1)).rejects.toMatchObject(refused);
    await expect(cache.write(key as string, () => 1)).rejects.toBeDefined();
  });
});

describe('a cache on Redis', () => {
  let namespace: string;
  let cache: Cache;
  let client: TestClient;

  beforeEach(async () => {
    namespace = uniqueNamespace();
    ({ cache, client } = await openCache(namespace));
  });

  it('spells its keys so that a person can read them, and gives every key a TTL', async () => {
    await cache.getOrLoad('user:42', () => ({ id: 42 }));
    await cache.set('user:43', 1);
    await cache.getOrLoad('user:44', () => null);
    await cache.writeThrough('user:45', () => ({ id: 45 }));
    await cache.set(`user:${'x'.repeat(5_000)}\r\n*{}`, 1);
    const keys = await keysOf(client, namespace);
    expect([...keys.keys()]).toEqual(
      expect.arrayContaining([42, 43, 44, 45].map((id) => `${namespace}:user:${id}`)),
    );
    expect(keys.size).toBe(5);
    for (const [key, ttlMs] of keys) {
      expect(key).toMatch(/^[A-Za-z0-9._~@:/+=!-]{1,199}$/);
      expect(ttlMs).toBeGreaterThan(0);
      expect(ttlMs).toBeLessThanOrEqual(60_000);
    }
    expect(await client.hGet(`${namespace}:user:42`, 'v')).toMatch(/^2j \d{13} \d{13} \d+ \{"id":42\}$/);
  });

  it('spreads the TTLs by at most the jitter, and never beyond the TTL', async () => {
    const ids = Array.from({ length: 40 }, (_, i) => `user:${i}`);
    await Promise.all(ids.map((id) => cache.set(id, 1, { ttlMs: 100_000 })));
    const ttls = [...(await keysOf(client, namespace)).values()];
    expect(Math.max(...ttls)).toBeLessThanOrEqual(100_000);
    expect(Math.min(...ttls)).toBeGreaterThan(80_000);
    expect(Math.max(...ttls) - Math.min(...ttls)).toBeGreaterThan(2_000);
  });

  it.each([
    ['is cut short', '2j 9000000000000 9000000000000 1 {"id":4'],
    ['is cut shorter', '2j 9000000000000 90000'],
    ['is empty', ''],
    ['is of an older version', '1j{"id":42}'],
    ['is of another version', '9j 9000000000000 9000000000000 1 {"id":42}'],
    ['is of another serializer', '2c 9000000000000 9000000000000 1 42'],
    ['is something else', '\u0000\u0001\u0002'],
    ['pretends to be null', '2n 9000000000000 9000000000000 1 othing'],
    ['is over', '2j 1 1 1 {"id":42}'],
    ['has no time', '2j NaN 9000000000000 1 {"id":42}'],
  ])('loads again what %s, and stores it anew', async (_, tampered) => {
    await client.hSet(`${namespace}:user:42`, 'v', tampered);
    expect(await cache.get('user:42')).toBeUndefined();
    expect(await cache.getOrLoad('user:42', () => 'Ada')).toBe('Ada');
    expect(await cache.get('user:42')).toBe('Ada');
    expect(await client.pTTL(`${namespace}:user:42`)).toBeGreaterThan(0);
  });

  it('gets over a key of another type', async () => {
    await client.set(`${namespace}:user:42`, 'what is this');
    expect(await cache.get('user:42')).toBeUndefined();
    expect(await cache.getOrLoad('user:42', () => 'Ada')).toBe('Ada');
    expect(await cache.get('user:42')).toBe('Ada');
  });

  it('survives FLUSHALL and SCRIPT FLUSH', async () => {
    const server = await RedisServer.start();
    const own = await openCache(namespace, {}, server.url);
    await own.cache.getOrLoad('user:42', () => 'old');
    await own.client.flushAll();
    await own.client.scriptFlush();
    expect(await own.cache.getOrLoad('user:42', () => 'new')).toBe('new');
    expect(await own.cache.get('user:42')).toBe('new');
  });

  it('asks Redis one command per hit, and three per miss', async () => {
    const server = await RedisServer.start();
    const own = await openCache(namespace, {}, server.url);
    await own.cache.getOrLoad('warm', () => 1);
    const hits = await commandsDuring(own.client, async () => {
      for (let i = 0; i < 10; i += 1) await own.cache.getOrLoad('warm', () => 2);
    });
    expect(hits).toEqual({ hmget: 10 });
    const miss = await commandsDuring(own.client, () => own.cache.getOrLoad('cold', () => 2));
    expect(miss.evalsha).toBe(2);
  });

  it('keeps the lease of a load that takes longer than one', async () => {
    const other = await openCache(namespace, { leaseMs: 300 });
    const slow = await openCache(namespace, { leaseMs: 300 });
    const load = jest.fn(() => sleep(1_000, 'Ada'));
    const first = slow.cache.getOrLoad('user:42', load);
    await sleep(20);
    const second = other.cache.getOrLoad('user:42', load);
    expect(await Promise.all([first, second])).toEqual(['Ada', 'Ada']);
    expect(load).toHaveBeenCalledTimes(1);
    expect(await other.cache.get('user:42')).toBe('Ada');
  });

  it('loads alone after having waited long enough, and lets the slow one store', async () => {
    const impatient = await openCache(namespace, { waitMs: 50 });
    const loading = new Hold();
    const slow = cache.getOrLoad('user:42', async () => {
      await loading.step();
      return 'slow';
    });
    await loading.reached;
    const all = await Promise.all([1, 2, 3].map(() => impatient.cache.getOrLoad('user:42', () => 'alone')));
    expect(all).toEqual(['alone', 'alone', 'alone']);
    loading.letGo();
    await slow;
    expect(await impatient.cache.get('user:42')).toBe('slow');
  });

  it('touches no key but its own', async () => {
    const neighbour = await openCache(`${namespace}x`);
    await neighbour.cache.set('user:42', 'theirs');
    await cache.set('user:42', 'mine');
    await cache.delete('user:42');
    expect(await neighbour.cache.get('user:42')).toBe('theirs');
  });

  it('returns to one cold key what connects late', async () => {
    const late = await connect();
    late.destroy();
    const unready = createCache({ client: late, namespace });
    expect(await unready.getOrLoad('user:42', () => 'loaded')).toBe('loaded');
  });
});
