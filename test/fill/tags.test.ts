// Purging by tag: one contract, for this process' store, for one Redis, for keys that the client prefixes, and for clusters.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis as Ioredis, Cluster as IoredisCluster } from 'ioredis';
import { createCluster } from 'redis';
import type { RedisClient } from '../../lib/core/client.js';
import { guardRedis } from '../../lib/core/guard.js';
import { memoryFillStore } from '../../lib/fill/memory-store.js';
import { MemoryTags } from '../../lib/fill/memory-tags.js';
import { redisFillStore } from '../../lib/fill/redis-store.js';
import type { FillStore, Lease } from '../../lib/fill/store.js';
import { onTestEnd } from '../support/cleanup.js';
import { commandsDuring, connect, uniqueNamespace } from '../support/redis.js';
import { RedisServer, sharedRedisUrl } from '../support/redis-server.js';
import { type RedisCluster, startCluster } from '../support/redis-topologies.js';

const A_MINUTE = 60_000;
const AN_HOUR = 60 * A_MINUTE;
const value = Buffer.from('value');

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startCluster();
}, 30_000);
afterAll(() => cluster.stop());

const onRedis = (client: RedisClient, namespace: string) =>
  redisFillStore(guardRedis(client, { feature: 'test-tags', deadlineMs: 5_000 }), {
    tagPrefix: `${namespace}:#`,
  });

const stores: Record<string, (namespace: string) => Promise<FillStore>> = {
  memory: async () => memoryFillStore(),
  redis: async (namespace) => onRedis(await connect(), namespace),
  async 'prefixing ioredis'(namespace) {
    const client = new Ioredis(sharedRedisUrl(), { keyPrefix: `${namespace}/` });
    onTestEnd(() => client.disconnect());
    return onRedis(client, namespace);
  },
  async 'redis cluster'(namespace) {
    const client = createCluster({ rootNodes: cluster.nodes.map(({ url }) => ({ url })) });
    client.on('error', () => {});
    await client.connect();
    onTestEnd(() => client.destroy());
    return onRedis(client, namespace);
  },
  async 'ioredis cluster'(namespace) {
    const client = new IoredisCluster(cluster.ports.map((port) => ({ host: '127.0.0.1', port })));
    onTestEnd(() => client.disconnect());
    return onRedis(client, namespace);
  },
};

describe.each(Object.keys(stores))('tags on the %s store', (name) => {
  let namespace: string;
  let store: FillStore;
  let key: string;

  beforeEach(async () => {
    namespace = uniqueNamespace();
    store = await stores[name]!(namespace);
    key = `${namespace}:user:42`;
  });

  const tagged = (...tags: string[]) => ({ ttlMs: A_MINUTE, tags });

  async function found(of = key) {
    const [value] = (await store.read(of, ['v'])).values;
    if (!value) return 'nothing';
    return value.isExpired ? 'expired' : 'fresh';
  }

  async function lease(of = key): Promise<Lease> {
    const given = await store.acquire(of, 'v', A_MINUTE);
    if (given === undefined) throw new Error('somebody else holds the lease');
    return given;
  }

  async function fill(...tags: string[]): Promise<void> {
    expect(await store.commit(await lease(), value, tagged(...tags))).toBe(true);
  }

  it('come back with the value, and end with it', async () => {
    await fill('a', 'b');
    expect((await store.read(key, ['v'])).values[0]).toEqual({
      bytes: value,
      tags: ['a', 'b'],
      isExpired: false,
    });
    await store.put(key, 'v', value, { ttlMs: A_MINUTE });
    await store.purgeTag('a');
    expect((await store.read(key, ['v'])).values[0]?.tags).toEqual([]);
  });

  it('purge all keys that carry them, and no other', async () => {
    const keys = ['1', '2', '3'].map((id) => `${key}:${id}`);
    await store.put(keys[0]!, 'v', value, tagged('a'));
    await store.put(keys[1]!, 'v', value, tagged('b', 'a'));
    await store.put(keys[2]!, 'v', value, tagged('b'));
    await store.purgeTag('a');
    expect(await Promise.all(keys.map(found))).toEqual(['nothing', 'nothing', 'fresh']);
    const readings = await store.readMany(keys, ['v']);
    expect(readings.map(({ values }) => values[0]?.bytes.toString())).toEqual([
      undefined,
      undefined,
      'value',
    ]);
    expect((await lease(keys[0]!)).found).toBeNull();
  });

  it('let what is stored after a purge be served', async () => {
    await store.purgeTag('a');
    await fill('a');
    expect(await found()).toBe('fresh');
    await store.purgeTag('a');
    await store.put(key, 'v', value, tagged('a'));
    expect(await found()).toBe('fresh');
  });

  it('keep out what began to be loaded before a purge', async () => {
    const early = await lease();
    await store.purgeTag('a');
    expect(await store.commit(early, value, tagged('b', 'a'))).toBe(false);
    expect(await found()).toBe('nothing');
    await fill('a');
  });

  it('keep it out though the store has forgotten the lease of the load', async () => {
    const early = await lease();
    await store.release(early);
    await store.purgeTag('a');
    const later = await lease();
    expect(await store.commit({ ...later, since: early.since }, value, tagged('a'))).toBe(false);
  });

  it('purged softly leave the value as expired, also one that began to be loaded before', async () => {
    const early = await lease(`${key}:early`);
    await fill('a');
    await store.expireTag('a');
    expect(await found()).toBe('expired');
    expect((await lease()).found?.isExpired).toBe(true);
    await store.commit(early, value, tagged('a'));
    expect(await found(`${key}:early`)).toBe('expired');
    await store.put(key, 'v', value, tagged('a'));
    expect(await found()).toBe('fresh');
    await store.expireTag('a');
    await store.purgeTag('a');
    expect(await found()).toBe('nothing');
  });

  it('are marked while a writer is at work: nothing is served, and nothing that is stored then is ever served', async () => {
    await fill('a');
    await store.markTag('a', 'writer', A_MINUTE);
    expect(await found()).toBe('nothing');
    const during = await lease();
    expect(await store.commit(during, value, tagged('a'))).toBe(false);
    await store.put(key, 'v', value, tagged('a'));
    expect(await found()).toBe('nothing');
    await store.unmarkTag('a', 'writer');
    expect(await found()).toBe('nothing');
    await fill('a');
    expect(await found()).toBe('fresh');
  });

  it('stay marked until the last of several writers is done', async () => {
    await store.markTag('a', 'one', A_MINUTE);
    await store.markTag('a', 'two', A_MINUTE);
    await store.unmarkTag('a', 'one');
    await store.put(key, 'v', value, tagged('a'));
    expect(await found()).toBe('nothing');
    await store.unmarkTag('a', 'two');
    await store.put(key, 'v', value, tagged('a'));
    expect(await found()).toBe('fresh');
  });

  it('can be used again after the mark of a writer that died', async () => {
    await store.markTag('a', 'dead', 50);
    await store.put(key, 'v', value, tagged('a'));
    await sleep(100);
    expect(await found()).toBe('nothing');
    // Whoever changes the tag next clears the mark away, and what it purged stays purged.
    await store.expireTag('a');
    expect(await found()).toBe('nothing');
    await fill('a');
    expect(await found()).toBe('fresh');
  });

  it('purged while a write is under way keep out what it wrote', async () => {
    const mark = await store.mark(key, 'writer', A_MINUTE);
    await store.purgeTag('a');
    expect(await store.unmarkWith(mark, 'v', value, tagged('a'))).toBe(false);
    expect(await found()).toBe('nothing');
    expect((await store.read(key, ['v'])).isMarked).toBe(false);
    const again = await store.mark(key, 'again', A_MINUTE);
    expect(await store.unmarkWith(again, 'v', value, tagged('a'))).toBe(true);
    expect(await found()).toBe('fresh');
  });

  it.each(['a b', '', '*', '{a}', '\u0000\r\n', 'ü', 'x'.repeat(5_000), '1:2', '__proto__', '\ud800', '0 0'])(
    'may be called %j',
    async (tag) => {
      await fill(tag, 'other');
      expect(await found()).toBe('fresh');
      await store.purgeTag(`${tag} `);
      await store.purgeTag(tag.slice(0, -1) || '-');
      expect(await found()).toBe('fresh');
      await store.purgeTag(tag);
      expect(await found()).toBe('nothing');
    },
  );

  it('may be a hundred', async () => {
    const tags = Array.from({ length: 100 }, (_, i) => `tag:${i}`);
    await fill(...tags, ...tags);
    expect(await found()).toBe('fresh');
    await store.purgeTag('tag:99');
    expect(await found()).toBe('nothing');
  });

  it('are not needed to expire a key softly', async () => {
    const standing = await lease(`${key}:x`);
    expect(await store.expire(key)).toBe(false);
    await fill();
    expect(await store.expire(key)).toBe(true);
    expect(await found()).toBe('expired');
    await store.expire(`${key}:x`);
    expect(await store.commit(standing, value, { ttlMs: A_MINUTE })).toBe(false);
    await fill();
    expect(await found()).toBe('fresh');
  });

  it('expire nothing under a mark, and the writer at work then stores nothing', async () => {
    const mark = await store.mark(key, 'writer', A_MINUTE);
    expect(await store.expire(key)).toBe(false);
    expect((await store.read(key, ['v'])).isMarked).toBe(true);
    expect(await store.unmarkWith(mark, 'v', value, tagged())).toBe(false);
  });
});

describe('tags on one Redis', () => {
  it('cost no command more per hit, nor per miss, once values with tags have been seen', async () => {
    const server = await RedisServer.start();
    const client = await connect(server.url);
    const store = onRedis(client, 'x');
    await store.put('x:1', 'v', value, { ttlMs: A_MINUTE, tags: ['a', 'b'] });
    await store.read('x:1', ['v']);
    const hits = await commandsDuring(client, async () => {
      for (let i = 0; i < 10; i += 1) await store.read('x:1', ['v']);
    });
    expect(hits.evalsha).toBe(10);
    const many = await commandsDuring(client, () => store.readMany(['x:1', 'x:2', 'x:3'], ['v']));
    expect(many.evalsha).toBe(1);
  });

  it('have records that outlive what carries them, and go when they are of no more use', async () => {
    const namespace = uniqueNamespace();
    const client = await connect();
    const store = onRedis(client, namespace);
    const record = `${namespace}:#a`;
    await store.put(`${namespace}:1`, 'v', value, { ttlMs: A_MINUTE, tags: ['a'] });
    expect(await client.pTTL(record)).toBeGreaterThan(A_MINUTE - 5_000);
    expect(await client.pTTL(record)).toBeLessThanOrEqual(A_MINUTE + 1_000);
    await store.put(`${namespace}:2`, 'v', value, { ttlMs: AN_HOUR, tags: ['a'] });
    await store.purgeTag('a');
    await store.put(`${namespace}:3`, 'v', value, { ttlMs: A_MINUTE, tags: ['a'] });
    expect(await client.pTTL(record)).toBeGreaterThan(AN_HOUR - 5_000);
    await store.purgeTag('b');
    expect(await client.pTTL(`${namespace}:#b`)).toBeLessThanOrEqual(15 * A_MINUTE);
  });

  it('are purged and marked though Redis is out of memory', async () => {
    const server = await RedisServer.start({ args: ['--maxmemory-policy', 'noeviction'] });
    const client = await connect(server.url);
    const store = onRedis(client, 'x');
    await store.put('x:1', 'v', value, { ttlMs: A_MINUTE, tags: ['a'] });
    await store.put('x:2', 'v', value, { ttlMs: A_MINUTE, tags: ['b'] });
    await client.configSet('maxmemory', '1');
    await store.purgeTag('a');
    await store.markTag('b', 'writer', A_MINUTE);
    const readings = await store.readMany(['x:1', 'x:2'], ['v']);
    expect(readings.map(({ values }) => values)).toEqual([[null], [null]]);
    await store.unmarkTag('b', 'writer');
  });

  it('need no right to publish', async () => {
    const server = await RedisServer.start();
    const client = await connect(server.url);
    const store = onRedis(client, 'x');
    await client.sendCommand(['ACL', 'SETUSER', 'default', 'resetchannels']);
    const lease = await store.acquire('x:1', 'v', A_MINUTE);
    expect(lease && (await store.commit(lease, value, { ttlMs: A_MINUTE, tags: ['a'] }))).toBe(true);
    expect((await store.read('x:1', ['v'])).values[0]?.tags).toEqual(['a']);
    await store.purgeTag('a');
    expect((await store.read('x:1', ['v'])).values).toEqual([null]);
    await store.mark('x:1', 'writer', A_MINUTE);
    await store.unmark('x:1', 'writer');
    expect(await store.drop('x:1')).toBe(false);
  });

  it.each(['', 'garbage', '1', '99999999999999999999 1', '1 2 x'])(
    'that were evicted, or read %j, purge what carries them, and work again afterwards',
    async (tampered) => {
      const namespace = uniqueNamespace();
      const client = await connect();
      const writer = onRedis(client, namespace);
      const key = `${namespace}:1`;
      for (const reader of [writer, onRedis(client, namespace)]) {
        await writer.put(key, 'v', value, { ttlMs: A_MINUTE, tags: ['a'] });
        if (tampered === '') await client.del(`${namespace}:#a`);
        else await client.set(`${namespace}:#a`, tampered, { PX: A_MINUTE });
        if (tampered !== '1 2 x') expect((await reader.read(key, ['v'])).values).toEqual([null]);
        await writer.put(key, 'v', value, { ttlMs: A_MINUTE, tags: ['a'] });
        expect((await reader.read(key, ['v'])).values[0]?.bytes.toString()).toBe('value');
      }
    },
  );

  it('whose record was evicted do not bring back what was purged, but for what is a few seconds old', async () => {
    const namespace = uniqueNamespace();
    const client = await connect();
    const store = onRedis(client, namespace);
    const [old, other] = [`${namespace}:old`, `${namespace}:other`] as const;
    const { since, ...lease } = (await store.acquire(old, 'v', A_MINUTE)) as Lease;
    await client.set(`${namespace}:#a`, '0 0', { PX: AN_HOUR });
    const begunAt = since - 10_000_000;
    expect(await store.commit({ ...lease, since: begunAt }, value, { ttlMs: AN_HOUR, tags: ['a'] })).toBe(
      true,
    );
    expect((await store.read(old, ['v'])).values[0]?.bytes).toEqual(value);

    await store.purgeTag('a');
    await client.del(`${namespace}:#a`);
    await store.put(other, 'v', value, { ttlMs: AN_HOUR, tags: ['a'] });
    const readings = await store.readMany([old, other], ['v']);
    expect(readings.map(({ values }) => values[0]?.bytes)).toEqual([undefined, value]);
  });

  it('survive another type under their record and garbage beside the value', async () => {
    const namespace = uniqueNamespace();
    const client = await connect();
    const store = onRedis(client, namespace);
    const key = `${namespace}:1`;
    await client.lPush(`${namespace}:#a`, 'x');
    await store.put(key, 'v', value, { ttlMs: A_MINUTE, tags: ['a'] });
    expect((await store.read(key, ['v'])).values[0]?.tags).toEqual(['a']);
    for (const text of ['', 'x', ' a', '-1 a', '9999999999999999999 a b']) {
      await client.hSet(key, 'tags:v', text);
      await store.read(key, ['v']);
    }
    await client.hSet(key, 'tags:v', 'x a');
    expect((await store.read(key, ['v'])).values).toEqual([null]);
  });
});

it('a tag in this process that is forgotten for want of room purges what it purged', () => {
  const tags = new MemoryTags(() => 0);
  const since = tags.tick();
  tags.purge('a');
  for (let i = 0; i < 100_000; i += 1) tags.enter([`other ${i}`]);
  tags.enter(['a']);
  expect(tags.judge({ names: ['a'], since })).toBe('gone');
  expect(tags.judge({ names: ['a'], since: tags.tick() })).toBe('valid');
});
