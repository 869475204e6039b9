// The races of copies: what is read while it changes is not kept.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { guardRedis } from '../../lib/core/guard.js';
import { memoryTier } from '../../lib/fill/memory.js';
import { changesChannel, redisFillStore } from '../../lib/fill/redis-store.js';
import type { FillStore, Reading } from '../../lib/fill/store.js';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

const A_MINUTE = 60_000;
const bytes = (text: string) => Buffer.from(text);

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.stop());

describe('a copy in memory', () => {
  let client: TestClient;
  let shared: FillStore;
  let tier: FillStore;
  let key: string;
  /** How often the tier asked the shared store. */
  let asked: number;
  /** Runs between a reply of the shared store and its arrival. */
  let beforeArrival: () => Promise<unknown>;

  beforeEach(async () => {
    client = await connect(server.url);
    const tagPrefix = `${uniqueNamespace()}:#`;
    const guard = guardRedis(client, { feature: 'test-copies', deadlineMs: 5_000 });
    shared = redisFillStore(guard, { tagPrefix });
    asked = 0;
    beforeArrival = async () => {};
    async function readMany(keys: readonly string[], fields: readonly string[]): Promise<readonly Reading[]> {
      asked += 1;
      const readings = await shared.readMany(keys, fields);
      await beforeArrival();
      return readings;
    }
    const options = { guard, channel: changesChannel(tagPrefix), maxBytes: 100_000 };
    tier = memoryTier({ ...shared, readMany }, { ...options, isFresh: ({ bytes }) => bytes.length > 0 });
    key = `${uniqueNamespace()}:user:42`;
    await shared.put(`${key}:probe`, 'v', bytes('1'), { ttlMs: A_MINUTE });
    await until(async () => {
      await tier.read(`${key}:probe`, ['v']);
      return (await asks(() => tier.read(`${key}:probe`, ['v']))) === 0;
    });
  });

  async function asks(act: () => Promise<unknown>): Promise<number> {
    const before = asked;
    await act();
    return asked - before;
  }

  const put = (text: string, tags: string[] = []) =>
    shared.put(key, 'v', bytes(text), { ttlMs: A_MINUTE, tags });
  const text = async () => (await tier.read(key, ['v'])).values[0]?.bytes.toString();

  async function twice(): Promise<void> {
    await text();
    await text();
  }

  /** Messages are told in order: when this one is there, those before it are. */
  async function untilHeard(): Promise<void> {
    await tier.read(`${key}:probe`, ['v']);
    await shared.put(`${key}:probe`, 'v', bytes('1'), { ttlMs: A_MINUTE });
    await until(async () => (await asks(() => tier.read(`${key}:probe`, ['v']))) === 1);
  }

  it.each<[string, () => Promise<unknown>]>([
    ['put', () => put('new')],
    ['dropped', () => shared.drop(key)],
    ['expired', () => shared.expire(key)],
    ['marked', () => shared.mark(key, 'w', A_MINUTE)],
    ['purged by its tag', () => shared.purgeTag('t')],
  ])('is not kept when the key was %s while it was read', async (_, change) => {
    await put('old', ['t']);
    await untilHeard();
    beforeArrival = async () => {
      beforeArrival = async () => {};
      await change();
      await untilHeard();
    };
    expect(await text()).toBe('old');
    expect(await asks(text)).toBe(1);
    const [now] = (await tier.read(key, ['v'])).values;
    expect(now?.isExpired ? 'expired' : now?.bytes.toString()).not.toBe('old');
  });

  it('is not kept when the link was lost while it was read', async () => {
    await put('old');
    await untilHeard();
    beforeArrival = async () => {
      beforeArrival = async () => {};
      await client.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']);
      await until(async () => (await asks(() => tier.read(`${key}:probe`, ['v']))) === 1);
    };
    await text();
    expect(await asks(text)).toBe(1);
  });

  it('is of the fields that were read, absent ones too', async () => {
    await put('1');
    await untilHeard();
    await tier.read(key, ['v', 'none']);
    expect(await asks(() => tier.read(key, ['none', 'v']))).toBe(0);
    expect(await asks(() => tier.read(key, ['v', 'other']))).toBe(1);
    expect(await asks(() => tier.read(key, ['other', 'v', 'none']))).toBe(0);
    await shared.put(key, 'none', bytes('2'), { ttlMs: A_MINUTE });
    await until(async () => (await tier.read(key, ['v', 'none'])).values[1] !== null);
  });

  it('is not made of nothing, of a mark, or of what is not fresh', async () => {
    await untilHeard();
    expect(await asks(twice)).toBe(2);
    await shared.mark(key, 'w', A_MINUTE);
    await untilHeard();
    expect(await asks(twice)).toBe(2);
    await shared.unmark(key, 'w');
    await put('');
    await untilHeard();
    expect(await asks(twice)).toBe(2);
  });

  it('is what was last known, until it changes', async () => {
    await put('1', ['t']);
    await untilHeard();
    await text();
    expect(tier.lastKnown?.(key, 'v')?.bytes.toString()).toBe('1');
    await shared.purgeTag('t');
    await until(async () => tier.lastKnown?.(key, 'v') === null);
  });

  it('tells who waits for a change of its key', async () => {
    const heard: string[] = [];
    const waits = [
      tier.changeOf?.(key, A_MINUTE).then(() => heard.push('change')),
      tier.changeOf?.(`${key}:other`, 300).then(() => heard.push('time')),
    ];
    const lease = await shared.acquire(key, 'v', A_MINUTE);
    if (lease) await shared.commit(lease, bytes('1'), { ttlMs: A_MINUTE });
    await Promise.all(waits);
    expect(heard).toEqual(['change', 'time']);
  });
});
