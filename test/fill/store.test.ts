// One contract, both stores.
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { guardRedis } from '../../lib/core/guard.js';
import { memoryFillStore } from '../../lib/fill/memory-store.js';
import { redisFillStore } from '../../lib/fill/redis-store.js';
import type { FillStore, Lease } from '../../lib/fill/store.js';
import { connect, uniqueNamespace } from '../support/redis.js';

const A_MINUTE = 60_000;

const stores: Record<string, () => Promise<FillStore>> = {
  memory: async () => memoryFillStore(),
  redis: async () =>
    redisFillStore(guardRedis(await connect(), { feature: 'test-fill', deadlineMs: 5_000 }), {
      tagPrefix: `${uniqueNamespace()}:#`,
    }),
};

describe.each(Object.keys(stores))('the %s fill store', (name) => {
  let store: FillStore;
  let key: string;

  beforeEach(async () => {
    store = await (stores[name] as () => Promise<FillStore>)();
    key = `${uniqueNamespace()}:user:42`;
  });

  async function value(field = 'v'): Promise<string | undefined> {
    return (await store.read(key, [field])).values[0]?.bytes.toString();
  }

  async function lease(field = 'v', leaseMs = A_MINUTE): Promise<Lease> {
    const given = await store.acquire(key, field, leaseMs);
    if (given === undefined) throw new Error('somebody else holds the lease');
    return given;
  }

  const bytes = (text: string) => Buffer.from(text);

  it('holds nothing at first', async () => {
    expect(await store.read(key, ['a', 'b'])).toEqual({
      values: [null, null],
      leases: [null, null],
      isMarked: false,
    });
    expect(await store.drop(key)).toBe(false);
  });

  it('keeps bytes as they are', async () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    await store.put(key, 'v', all, { ttlMs: A_MINUTE });
    expect((await store.read(key, ['v'])).values[0]?.bytes.equals(all)).toBe(true);
    await store.put(key, 'v', Buffer.alloc(0), { ttlMs: A_MINUTE });
    expect((await store.read(key, ['v'])).values[0]?.bytes.length).toBe(0);
  });

  it('reads fields in the order asked for', async () => {
    await store.put(key, 'a', bytes('1'), { ttlMs: A_MINUTE });
    await store.put(key, 'b', bytes('2'), { ttlMs: A_MINUTE });
    const { values } = await store.read(key, ['b', 'none', 'a']);
    expect(values.map((found) => found?.bytes.toString())).toEqual(['2', undefined, '1']);
  });

  it('reads many keys in the order asked for', async () => {
    await store.put(`${key}:1`, 'v', bytes('1'), { ttlMs: A_MINUTE });
    await store.mark(`${key}:2`, 'writer', A_MINUTE);
    await store.put(`${key}:3`, 'v', bytes('3'), { ttlMs: A_MINUTE });
    const readings = await store.readMany([`${key}:3`, `${key}:2`, `${key}:1`], ['v']);
    expect(readings.map(({ values }) => values[0]?.bytes.toString())).toEqual(['3', undefined, '1']);
    expect(readings.map(({ isMarked }) => isMarked)).toEqual([false, true, false]);
  });

  it('forgets a value after its ttl, though a lease stood on the field for longer', async () => {
    await store.commit(await lease(), bytes('old'), { ttlMs: 200 });
    expect(await value()).toBe('old');
    await sleep(250);
    expect(await value()).toBeUndefined();
  });

  it('lets a shorter life replace a longer one', async () => {
    await store.put(key, 'v', bytes('long'), { ttlMs: A_MINUTE });
    await store.put(key, 'v', bytes('short'), { ttlMs: 40 });
    await sleep(80);
    expect(await value()).toBeUndefined();
  });

  it("keeps a value for its ttl though another field's is shorter", async () => {
    await store.put(key, 'long', bytes('1'), { ttlMs: A_MINUTE });
    await store.put(key, 'short', bytes('2'), { ttlMs: 20 });
    await sleep(60);
    expect(await value('long')).toBe('1');
  });

  describe('a lease', () => {
    it('is given to one, and shown to readers', async () => {
      const mine = await lease();
      expect(await store.acquire(key, 'v', A_MINUTE)).toBeUndefined();
      expect((await store.read(key, ['other', 'v'])).leases).toEqual([null, mine.token]);
    });

    it('is given to one of many who ask at once', async () => {
      const asked = await Promise.all(Array.from({ length: 50 }, () => store.acquire(key, 'v', A_MINUTE)));
      expect(asked.filter((given) => given !== undefined)).toHaveLength(1);
    });

    it('is per field', async () => {
      await lease('a');
      expect(await store.acquire(key, 'b', A_MINUTE)).toBeDefined();
    });

    it('tells what the field held when it was given', async () => {
      expect((await lease()).found).toBeNull();
      await store.put(key, 'v', bytes('1'), { ttlMs: A_MINUTE });
      expect((await lease()).found?.bytes.toString()).toBe('1');
    });

    it('tells what another field held at that moment', async () => {
      expect((await store.acquire(key, 'v', 1, 'other'))?.beside).toBeNull();
      await store.put(key, 'other', bytes('1'), { ttlMs: A_MINUTE });
      await sleep(10);
      expect((await store.acquire(key, 'v', A_MINUTE, 'other'))?.beside?.toString()).toBe('1');
    });

    it('leaves the value readable', async () => {
      await store.put(key, 'v', bytes('stale'), { ttlMs: A_MINUTE });
      await lease();
      expect(await value()).toBe('stale');
    });

    it('ends when it expires', async () => {
      const mine = await lease('v', 30);
      await sleep(60);
      expect(await store.commit(mine, bytes('late'), { ttlMs: A_MINUTE })).toBe(false);
      expect(await store.renew(mine, A_MINUTE)).toBe(false);
      expect(await value()).toBeUndefined();
      expect(await store.acquire(key, 'v', A_MINUTE)).toBeDefined();
    });

    it('lasts as long as it is renewed', async () => {
      const mine = await lease('v', 600);
      for (let i = 0; i < 4; i += 1) {
        await sleep(200);
        expect(await store.renew(mine, 600)).toBe(true);
      }
      expect(await store.commit(mine, bytes('1'), { ttlMs: A_MINUTE })).toBe(true);
    });

    it('commits once', async () => {
      const mine = await lease();
      expect(await store.commit(mine, bytes('1'), { ttlMs: A_MINUTE })).toBe(true);
      expect(await store.commit(mine, bytes('2'), { ttlMs: A_MINUTE })).toBe(false);
      expect(await value()).toBe('1');
    });

    it('can be given back', async () => {
      const mine = await lease();
      await store.release(mine);
      expect(await store.commit(mine, bytes('1'), { ttlMs: A_MINUTE })).toBe(false);
      const next = await lease();
      await store.release(mine);
      expect(await store.commit(next, bytes('2'), { ttlMs: A_MINUTE })).toBe(true);
    });

    it.each<[string, () => Promise<unknown>]>([
      ['a drop', () => store.drop(key)],
      ['a mark', () => store.mark(key, 'writer', A_MINUTE)],
      ['a mark that has ended', () => store.mark(key, 'w', A_MINUTE).then(() => store.unmark(key, 'w'))],
      ['an unmark', () => store.unmark(key, 'writer')],
      ['a put', () => store.put(key, 'v', bytes('new'), { ttlMs: A_MINUTE })],
    ])('is broken by %s', async (_, breakIt) => {
      const mine = await lease();
      await breakIt();
      expect(await store.renew(mine, A_MINUTE)).toBe(false);
      expect(await store.commit(mine, bytes('old'), { ttlMs: A_MINUTE })).toBe(false);
      expect(await value()).not.toBe('old');
    });

    it('does not let its holder commit over the next one', async () => {
      const first = await lease('v', 20);
      await sleep(50);
      const second = await lease();
      expect(await store.commit(first, bytes('old'), { ttlMs: A_MINUTE })).toBe(false);
      expect(await store.commit(second, bytes('new'), { ttlMs: A_MINUTE })).toBe(true);
      expect(await value()).toBe('new');
    });
  });

  it('lets other values go where a commit leaves them no room, but for the one that is spared', async () => {
    const fields = ['a', 'b', 'c', 'd', 'e'];
    const limit = { maxValues: 3, spare: 'spare' };
    await store.put(key, 'spare', bytes('s'), { ttlMs: A_MINUTE });
    for (const field of fields)
      await store.commit(await lease(field), bytes(field), { ttlMs: A_MINUTE, limit });
    const { values } = await store.read(key, [...fields, 'spare']);
    expect(values.filter((found) => found !== null)).toHaveLength(4);
    expect([values[4]?.bytes.toString(), values[5]?.bytes.toString()]).toEqual(['e', 's']);
  });

  it('drops a key with all its fields', async () => {
    await store.put(key, 'a', bytes('1'), { ttlMs: A_MINUTE });
    await store.put(key, 'b', bytes('2'), { ttlMs: A_MINUTE });
    expect(await store.drop(key)).toBe(true);
    expect((await store.read(key, ['a', 'b'])).values).toEqual([null, null]);
    await lease();
    expect(await store.drop(key)).toBe(false);
  });

  describe('under a mark', () => {
    it('serves and stores nothing', async () => {
      await store.put(key, 'v', bytes('old'), { ttlMs: A_MINUTE });
      await store.mark(key, 'writer', A_MINUTE);
      expect(await store.read(key, ['v'])).toEqual({ values: [null], leases: [null], isMarked: true });
      expect(await store.acquire(key, 'v', A_MINUTE)).toBeUndefined();
      expect(await store.put(key, 'v', bytes('new'), { ttlMs: A_MINUTE })).toBe(false);
      await store.unmark(key, 'writer');
      expect(await store.read(key, ['v'])).toEqual({ values: [null], leases: [null], isMarked: false });
      expect(await store.acquire(key, 'v', A_MINUTE)).toBeDefined();
    });

    it('stays so until the last of several writers is done', async () => {
      await store.mark(key, 'one', A_MINUTE);
      await store.mark(key, 'two', A_MINUTE);
      await store.unmark(key, 'one');
      await store.unmark(key, 'nobody');
      expect((await store.read(key, ['v'])).isMarked).toBe(true);
      await store.unmark(key, 'two');
      expect((await store.read(key, ['v'])).isMarked).toBe(false);
    });

    it('stays so when the key is dropped', async () => {
      await store.mark(key, 'writer', A_MINUTE);
      await store.drop(key);
      expect((await store.read(key, ['v'])).isMarked).toBe(true);
    });

    it('ends by itself when the writer died', async () => {
      await store.mark(key, 'dead', 40);
      await sleep(80);
      expect((await store.read(key, ['v'])).isMarked).toBe(false);
      expect(await store.put(key, 'v', bytes('1'), { ttlMs: A_MINUTE })).toBe(true);
    });

    it("lasts as long as the longest writer's", async () => {
      await store.mark(key, 'long', 5_000);
      await store.mark(key, 'short', 20);
      await sleep(60);
      expect((await store.read(key, ['v'])).isMarked).toBe(true);
      await store.unmark(key, 'long');
      expect((await store.read(key, ['v'])).isMarked).toBe(false);
    });

    it('can be kept up by a slow writer', async () => {
      await store.mark(key, 'slow', 600);
      for (let i = 0; i < 4; i += 1) {
        await sleep(200);
        await store.keepMark(key, 'slow', 600);
      }
      expect((await store.read(key, ['v'])).isMarked).toBe(true);
    });
  });

  describe('at the end of a mark', () => {
    const finish = (token: string, text: string) =>
      store.unmarkWith({ key, token, since: 0 }, 'v', bytes(text), { ttlMs: A_MINUTE });

    it('stores what the only writer wrote', async () => {
      await store.mark(key, 'writer', A_MINUTE);
      expect(await finish('writer', 'new')).toBe(true);
      expect(await store.read(key, ['v'])).toMatchObject({ isMarked: false });
      expect(await value()).toBe('new');
    });

    it('stores it though the mark was kept up', async () => {
      await store.mark(key, 'writer', A_MINUTE);
      await store.keepMark(key, 'writer', A_MINUTE);
      expect(await finish('writer', 'new')).toBe(true);
    });

    it('gives the value the life it was given', async () => {
      await store.mark(key, 'writer', A_MINUTE);
      await store.unmarkWith({ key, token: 'writer', since: 0 }, 'v', bytes('new'), { ttlMs: 40 });
      await sleep(80);
      expect(await value()).toBeUndefined();
    });

    it.each<[string, () => Promise<unknown>]>([
      ['another writer is at work', () => store.mark(key, 'other', A_MINUTE)],
      ['another writer came and went', () => store.mark(key, 'b', 9_000).then(() => store.unmark(key, 'b'))],
      ['a writer without a mark came and went', () => store.unmark(key, 'stranger')],
      ['the key was dropped', () => store.drop(key)],
      ['somebody tried to put a value', () => store.put(key, 'v', bytes('other'), { ttlMs: A_MINUTE })],
      [
        'the mark was lost for a while',
        () => store.unmark(key, 'writer').then(() => store.keepMark(key, 'writer', A_MINUTE)),
      ],
      ['the mark is lost', () => store.unmark(key, 'writer')],
    ])('stores nothing when %s', async (_, meanwhile) => {
      await store.mark(key, 'writer', A_MINUTE);
      await meanwhile();
      expect(await finish('writer', 'mine')).toBe(false);
      expect(await value()).toBeUndefined();
    });

    it('lets neither of two writers that overlapped store, whichever ends first', async () => {
      await store.mark(key, 'one', A_MINUTE);
      await store.mark(key, 'two', A_MINUTE);
      expect(await finish('two', '2')).toBe(false);
      expect(await finish('one', '1')).toBe(false);
      expect(await store.read(key, ['v'])).toMatchObject({ values: [null], isMarked: false });
    });
  });
});
