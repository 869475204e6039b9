// What only the Redis store has: a clock and a memory of its own, and neighbours who may put anything under a key.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { createClient } from 'redis';
import { guardRedis } from '../../lib/core/guard.js';
import { redisFillStore } from '../../lib/fill/redis-store.js';
import type { FillStore } from '../../lib/fill/store.js';
import { onTestEnd } from '../support/cleanup.js';
import { commandsDuring, connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';

const A_MINUTE = 60_000;
const AN_HOUR = 60 * A_MINUTE;
const value = Buffer.from('value');

describe('the redis fill store', () => {
  let client: TestClient;
  let store: FillStore;
  let key: string;

  beforeEach(async () => {
    client = await connect();
    store = redisFillStore(guardRedis(client, { feature: 'test-fill', deadlineMs: 5_000 }), {
      tagPrefix: 'tags:#',
    });
    key = `${uniqueNamespace()}:user:42`;
  });

  it.each<[string, () => Promise<unknown>]>([
    ['acquire', () => store.acquire(key, 'v', A_MINUTE)],
    ['put', () => store.put(key, 'v', value, { ttlMs: A_MINUTE })],
    ['mark', () => store.mark(key, 'writer', A_MINUTE)],
    ['keepMark', () => store.keepMark(key, 'writer', A_MINUTE)],
  ])('leaves a key with a TTL after %s, also where it found one without', async (_, act) => {
    await client.hSet(key, 'other', 'left here without a TTL');
    await act();
    const ttlMs = await client.pTTL(key);
    expect(ttlMs).toBeGreaterThan(A_MINUTE / 2);
    expect(ttlMs).toBeLessThanOrEqual(A_MINUTE);
  });

  it('never shortens the life of a neighbouring field', async () => {
    await store.put(key, 'long', value, { ttlMs: AN_HOUR });
    await store.put(key, 'short', value, { ttlMs: A_MINUTE });
    await store.acquire(key, 'leased', A_MINUTE);
    expect(await client.pTTL(key)).toBeGreaterThan(AN_HOUR / 2);
  });

  it('ends the key with the mark that lasts longest, and sooner when that one is ended', async () => {
    await store.mark(key, 'short', A_MINUTE);
    await store.mark(key, 'long', AN_HOUR);
    expect(await client.pTTL(key)).toBeGreaterThan(AN_HOUR / 2);
    await store.unmark(key, 'long');
    expect(await client.pTTL(key)).toBeLessThanOrEqual(A_MINUTE);
    await store.unmark(key, 'short');
    expect(await client.exists(key)).toBe(0);
  });

  it('leaves nothing behind when leases are given back and keys dropped', async () => {
    const lease = await store.acquire(key, 'v', A_MINUTE);
    if (lease) await store.release(lease);
    expect(await client.exists(key)).toBe(0);
    await store.put(key, 'v', value, { ttlMs: A_MINUTE });
    await store.drop(key);
    expect(await client.exists(key)).toBe(0);
  });

  describe.each<[string, () => Promise<unknown>]>([
    ['a string', () => client.set(key, 'what is this')],
    ['a list', () => client.lPush(key, 'what is this')],
  ])('where %s lies under the key', (_, putIt) => {
    beforeEach(putIt);

    it('finds nothing', async () => {
      expect(await store.read(key, ['v'])).toEqual({ values: [null], leases: [null], isMarked: false });
      expect((await store.readMany([key], ['v']))[0]?.values).toEqual([null]);
      expect(
        await store.renew({ key, field: 'v', token: 'x', since: 0, found: null, beside: null }, A_MINUTE),
      ).toBe(false);
    });

    it.each<[string, () => Promise<unknown>]>([
      ['acquire', () => store.acquire(key, 'v', A_MINUTE)],
      ['put', () => store.put(key, 'v', value, { ttlMs: A_MINUTE })],
      ['mark', () => store.mark(key, 'writer', A_MINUTE)],
      ['unmark', () => store.unmark(key, 'writer')],
      ['drop', () => store.drop(key)],
    ])('replaces it at the first %s', async (__, act) => {
      await act();
      expect(['hash', 'none']).toContain(await client.type(key));
    });
  });

  it.each(['', 'garbage', '!', 'x:99999999999999999999999999', 'x:1', ': :::'])(
    'gets over the tampered mark %j with the next lease',
    async (tampered) => {
      await client.hSet(key, { mark: tampered, v: 'old' });
      expect(await store.read(key, ['v'])).toMatchObject({ values: [null], isMarked: false });
      const lease = await store.acquire(key, 'v', A_MINUTE);
      expect(lease && (await store.commit(lease, value, { ttlMs: A_MINUTE }))).toBe(true);
      expect((await store.read(key, ['v'])).values[0]?.bytes.toString()).toBe('value');
    },
  );

  it.each(['', 'garbage', 'token', 'token x', 'token 1'])(
    'gets over the tampered lease %j',
    async (tampered) => {
      await client.hSet(key, 'lease:v', tampered);
      expect(await store.acquire(key, 'v', A_MINUTE)).toBeDefined();
    },
  );

  it('asks one command for a reading, one per key for many, and one for every change', async () => {
    const server = await RedisServer.start();
    const own = await connect(server.url);
    const fill = redisFillStore(guardRedis(own, { feature: 'test-fill', deadlineMs: 5_000 }), {
      tagPrefix: 'tags:#',
    });
    await fill.acquire(key, 'a', A_MINUTE);
    await fill.put(key, 'v', value, { ttlMs: A_MINUTE });
    expect(await commandsDuring(own, () => fill.read(key, ['a', 'v']))).toEqual({ hmget: 1 });
    expect(await commandsDuring(own, () => fill.readMany([key, `${key}1`], ['v']))).toEqual({ hmget: 2 });
    const { evalsha } = await commandsDuring(own, () => fill.put(key, 'v', value, { ttlMs: A_MINUTE }));
    expect(evalsha).toBe(1);
  });

  it('marks, unmarks and drops though Redis is out of memory', async () => {
    const server = await RedisServer.start({ args: ['--maxmemory-policy', 'noeviction'] });
    const own = await connect(server.url);
    const fill = redisFillStore(guardRedis(own, { feature: 'test-fill', deadlineMs: 5_000 }), {
      tagPrefix: 'tags:#',
    });
    await fill.put(key, 'v', value, { ttlMs: A_MINUTE });
    await own.configSet('maxmemory', '1');
    await expect(fill.put(key, 'v', value, { ttlMs: A_MINUTE })).rejects.toMatchObject({
      code: 'ERS_REDIS_REFUSED',
    });
    await fill.mark(key, 'writer', A_MINUTE);
    expect((await fill.read(key, ['v'])).isMarked).toBe(true);
    await fill.unmark(key, 'writer');
    expect(await own.exists(key)).toBe(0);
  });

  it.each(['acquire', 'commit', 'release'] as const)(
    'ends a lease whose %s was given up while Redis was frozen',
    async (call) => {
      const server = await RedisServer.start();
      const own = await connect(server.url);
      const fill = redisFillStore(guardRedis(own, { feature: 'test-fill', deadlineMs: 100 }), {
        tagPrefix: 'tags:#',
      });
      await fill.read(key, ['v']);
      const lease = call === 'acquire' ? undefined : await fill.acquire(key, 'v', AN_HOUR);
      server.freeze();
      const gone = { code: 'ERS_REDIS_UNAVAILABLE' };
      if (lease === undefined) await expect(fill.acquire(key, 'v', AN_HOUR)).rejects.toMatchObject(gone);
      else if (call === 'commit')
        await expect(fill.commit(lease, value, { ttlMs: AN_HOUR })).rejects.toMatchObject(gone);
      else await expect(fill.release(lease)).rejects.toMatchObject(gone);
      server.thaw();

      const again = createClient({ url: server.url });
      await again.connect();
      onTestEnd(() => again.destroy());
      const giveUpAt = performance.now() + 5_000;
      while ((await again.hGet(key, 'lease:v')) !== null || (await again.hLen(key)) > 1) {
        expect(performance.now()).toBeLessThan(giveUpAt);
      }
    },
  );

  it('ends a lease whose end Redis refused for a while', async () => {
    const server = await RedisServer.start();
    const own = await connect(server.url);
    const fill = redisFillStore(guardRedis(own, { feature: 'test-fill', deadlineMs: 5_000 }), {
      tagPrefix: 'tags:#',
    });
    const lease = await fill.acquire(key, 'v', AN_HOUR);
    if (lease === undefined) throw new Error('no lease');
    await own.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
    await expect(fill.commit(lease, value, { ttlMs: AN_HOUR })).rejects.toMatchObject({
      code: 'ERS_REDIS_REFUSED',
    });
    await own.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    const giveUpAt = performance.now() + 5_000;
    while ((await own.hGet(key, 'lease:v')) !== null) expect(performance.now()).toBeLessThan(giveUpAt);
  });
});
