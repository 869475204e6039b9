// Writing what is cached. Two caches with a client each stand for two processes; every interleaving is driven by hand.
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Cache } from 'express-redis-suite/cache-aside';
import { onTestEnd } from '../support/cleanup.js';
import { type TestClient, uniqueNamespace } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { Hold, keysOf, openCache } from './support.js';

const KEY = 'user:42';

/** One row. A read and a write take effect when they are called. */
class Row {
  value = 'old';
  readonly read = jest.fn(async () => this.value);

  async write(value: string): Promise<string> {
    this.value = value;
    return value;
  }
}

describe('a write', () => {
  let namespace: string;
  let row: Row;
  let here: Cache;
  let there: Cache;
  let client: TestClient;

  beforeEach(async () => {
    namespace = uniqueNamespace();
    row = new Row();
    ({ cache: here, client } = await openCache(namespace));
    ({ cache: there } = await openCache(namespace));
  });

  const read = (cache: Cache) => cache.getOrLoad(KEY, row.read);
  /** What a reader is served who trusts the cache blindly. */
  const cached = (cache: Cache) => cache.get(KEY);

  it('is seen by all processes as soon as it is done', async () => {
    await Promise.all([read(here), read(there)]);
    expect(await here.write(KEY, () => row.write('new'))).toBe('new');
    expect(await Promise.all([read(here), read(there)])).toEqual(['new', 'new']);
  });

  it('takes several keys, and one twice', async () => {
    await there.set('users', ['old']);
    await there.set(KEY, 'old');
    await here.write([KEY, 'users', KEY], () => row.write('new'));
    expect([await cached(there), await there.get('users')]).toEqual([undefined, undefined]);
    await here.write([], () => row.write('newer'));
  });

  it('lets nobody be served the old value once it is committed, though it goes on for a while', async () => {
    await read(there);
    const committed = new Hold();
    const writing = here.write(KEY, async () => {
      await row.write('new');
      await committed.step();
    });
    await committed.reached;
    expect([await cached(here), await cached(there)]).toEqual([undefined, undefined]);
    expect(await Promise.all([read(here), read(there)])).toEqual(['new', 'new']);
    committed.letGo();
    await writing;
    expect(await read(there)).toBe('new');
  });

  it('is not undone by a reader, anywhere, that holds the old value', async () => {
    for (const cache of [here, there]) {
      row.value = 'old';
      await here.delete(KEY);
      const loading = new Hold();
      const reading = cache.getOrLoad(KEY, async () => {
        const value = await row.read();
        await loading.step();
        return value;
      });
      await loading.reached;
      await here.write(KEY, () => row.write('new'));
      loading.letGo();
      expect(await reading).toBe('old');
      expect([await read(here), await read(there)]).toEqual(['new', 'new']);
    }
  });

  it('is not undone by a reader who comes in the middle of it, and reads before the commit', async () => {
    const begun = new Hold();
    const loading = new Hold();
    const writing = here.write(KEY, async () => {
      await begun.step();
      await row.write('new');
    });
    await begun.reached;
    const reading = there.getOrLoad(KEY, async () => {
      const value = await row.read();
      await loading.step();
      return value;
    });
    await loading.reached;
    begun.letGo();
    await writing;
    loading.letGo();
    expect(await reading).toBe('old');
    expect(await read(there)).toBe('new');
  });

  it('is not behind a load that began before all of it, here or in another process', async () => {
    for (const cache of [here, there]) {
      row.value = 'old';
      const loading = new Hold();
      const early = cache.getOrLoad(KEY, async () => {
        const value = await row.read();
        await loading.step();
        return value;
      });
      await loading.reached;
      await here.write(KEY, () => row.write('new'));
      const late = read(cache);
      // Answered after what `late` has asked Redis.
      await cache.get('other');
      loading.letGo();
      expect([await early, await late]).toEqual(['old', 'new']);
      expect(await read(cache)).toBe('new');
      await cache.delete(KEY);
    }
  });

  it('is not behind a load of one who waited for another for too long, and loads alone', async () => {
    const { cache: impatient } = await openCache(namespace, { waitMs: 50 });
    const [leased, alone] = [new Hold(), new Hold()];
    const leading = there.getOrLoad(KEY, () => leased.step());
    await leased.reached;
    const early = impatient.getOrLoad(KEY, async () => {
      const value = await row.read();
      await alone.step();
      return value;
    });
    await alone.reached;
    await here.write(KEY, () => row.write('new'));
    const late = read(impatient);
    // Answered after what `late` has asked Redis.
    await impatient.get('other');
    alone.letGo();
    expect([await early, await late]).toEqual(['old', 'new']);
    leased.letGo();
    await leading;
  });

  it('lets no load that began before the commit be shared with one who asks after it', async () => {
    for (const cache of [here, there]) {
      row.value = 'old';
      const begun = new Hold();
      const committed = new Hold();
      const loading = new Hold();
      const writing = here.write(KEY, async () => {
        await begun.step();
        await row.write('new');
        await committed.step();
      });
      await begun.reached;
      const early = cache.getOrLoad(KEY, async () => {
        const value = await row.read();
        await loading.step();
        return value;
      });
      await loading.reached;
      begun.letGo();
      await committed.reached;
      const late = read(cache);
      loading.letGo();
      expect([await early, await late]).toEqual(['old', 'new']);
      committed.letGo();
      await writing;
    }
  });

  it('runs few loads while it is under way, however many ask', async () => {
    const begun = new Hold();
    const writing = here.write(KEY, () => begun.step());
    await begun.reached;
    const load = jest.fn(() => sleep(50, 'row'));
    for (const cache of [here, there]) {
      load.mockClear();
      await Promise.all(Array.from({ length: 100 }, () => cache.getOrLoad(KEY, load)));
      expect(load.mock.calls.length).toBeLessThanOrEqual(3);
    }
    begun.letGo();
    await writing;
  });

  it('that fails rejects as it does, and leaves nothing marked', async () => {
    await read(there);
    const boom = new Error('boom');
    await expect(here.write(KEY, () => Promise.reject(boom))).rejects.toBe(boom);
    const throwing = () => {
      throw boom;
    };
    await expect(here.write(KEY, throwing)).rejects.toBe(boom);
    await read(there);
    expect(await cached(here)).toBe('old');
  });

  it('may take longer than a mark', async () => {
    const brief = (await openCache(namespace, { markMs: 300 })).cache;
    await brief.write(KEY, async () => {
      await sleep(900);
      await read(there);
      expect(await cached(there)).toBeUndefined();
      await row.write('new');
    });
    expect(await read(there)).toBe('new');
  });

  it('that is over keeps up no mark', async () => {
    const markMs = 150;
    const { cache: brief } = await openCache(namespace, { markMs });
    await brief.write(KEY, () => row.write('new'));
    await sleep(markMs);
    await read(there);
    expect(await cached(there)).toBe('new');
  });

  it('leaves no key without a TTL, not even while it runs', async () => {
    await here.write([KEY, 'users'], async () => {
      const during = await keysOf(client, namespace);
      expect(during.size).toBe(2);
      for (const ttlMs of during.values()) expect(ttlMs).toBeGreaterThan(0);
    });
    expect((await keysOf(client, namespace)).size).toBe(0);
  });

  it('of two that overlap, the first to end does not let readers in on the other', async () => {
    const one = new Hold();
    const two = new Hold();
    const first = here.write(KEY, () => one.step());
    const second = there.write(KEY, () => two.step());
    await Promise.all([one.reached, two.reached]);
    one.letGo();
    await first;
    await read(here);
    expect(await cached(here)).toBeUndefined();
    two.letGo();
    await second;
    await read(here);
    expect(await cached(there)).toBe('old');
  });

  describe('through', () => {
    it('leaves what was written', async () => {
      await read(there);
      expect(await here.writeThrough(KEY, () => row.write('new'))).toBe('new');
      expect([await cached(here), await cached(there)]).toEqual(['new', 'new']);
    });

    it('leaves it for the TTL of the call', async () => {
      await here.writeThrough(KEY, () => row.write('new'), { ttlMs: 60 });
      await sleep(90);
      expect(await cached(there)).toBeUndefined();
    });

    it('serves nothing before it is done', async () => {
      await read(there);
      const committed = new Hold();
      const writing = here.writeThrough(KEY, async () => {
        await committed.step();
        return row.write('new');
      });
      await committed.reached;
      expect([await cached(here), await cached(there)]).toEqual([undefined, undefined]);
      committed.letGo();
      await writing;
      expect(await cached(there)).toBe('new');
    });

    it.each(['here first', 'there first'])(
      'leaves nothing where two overlapped, for nobody knows who was last: %s',
      async (order) => {
        const holds = { here: new Hold(), there: new Hold() };
        const writing = {
          here: here.writeThrough(KEY, () => row.write('A').then((a) => holds.here.step().then(() => a))),
          there: there.writeThrough(KEY, () => row.write('B').then((b) => holds.there.step().then(() => b))),
        };
        await Promise.all([holds.here.reached, holds.there.reached]);
        const sequence = order === 'here first' ? (['here', 'there'] as const) : (['there', 'here'] as const);
        for (const who of sequence) {
          holds[who].letGo();
          await writing[who];
        }
        expect([await cached(here), await cached(there)]).toEqual([undefined, undefined]);
        expect(await read(there)).toBe(row.value);
      },
    );

    it('leaves nothing where the key was deleted or set meanwhile', async () => {
      for (const act of [() => there.delete(KEY), () => there.set(KEY, 'theirs')]) {
        const committed = new Hold();
        const writing = here.writeThrough(KEY, () =>
          row.write('mine').then((v) => committed.step().then(() => v)),
        );
        await committed.reached;
        await act();
        committed.letGo();
        await writing;
        expect(await cached(there)).toBeUndefined();
      }
    });

    it('that fails leaves nothing', async () => {
      await read(there);
      await expect(here.writeThrough(KEY, () => Promise.reject(new Error('boom')))).rejects.toThrow('boom');
      expect(await cached(there)).toBeUndefined();
    });

    it('keeps a missing row as missing, and leaves no mark where what was written cannot be kept', async () => {
      expect(await here.writeThrough(KEY, async () => null)).toBeNull();
      expect(await there.getOrLoad<unknown>(KEY, row.read)).toBeNull();
      const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
      onTestEnd(() => warn.mockRestore());
      expect(await here.writeThrough(KEY, async () => 42n)).toBe(42n);
      await here.writeThrough(KEY, async () => 43n);
      expect(warn.mock.calls).toEqual([
        [expect.stringContaining('BigInt'), { code: 'ERS_UNCACHEABLE_VALUE' }],
      ]);
      await read(there);
      expect(await cached(here)).toBe('old');
    });
  });
});

it('a write is held back again soon after FLUSHALL took its mark', async () => {
  const server = await RedisServer.start();
  const namespace = uniqueNamespace();
  const { cache: here, client } = await openCache(namespace, {}, server.url);
  const { cache: there } = await openCache(namespace, {}, server.url);
  const written = { tags: ['t'] };
  const writing = new Hold();
  const writer = here.write([KEY, written], () => writing.step());
  await writing.reached;
  await client.flushAll();
  await there.getOrLoad(KEY, () => 'old');
  await there.getOrLoad('tagged', () => 'old', written);
  await until(
    async () => (await there.get(KEY)) === undefined && (await there.get('tagged')) === undefined,
    5_000,
  );
  await there.getOrLoad(KEY, () => 'old');
  expect(await there.get(KEY)).toBeUndefined();
  writing.letGo();
  await writer;
  expect(await there.getOrLoad(KEY, () => 'new')).toBe('new');
});

describe('a write while Redis is away', () => {
  const options = { deadlineMs: 100 };

  it('is done all the same; the old value is not served here, and not for long elsewhere', async () => {
    const server = await RedisServer.start();
    const namespace = uniqueNamespace();
    const row = new Row();
    const { cache: here, client } = await openCache(namespace, options, server.url);
    const { cache: there } = await openCache(namespace, { deadlineMs: 2_000 }, server.url);
    await there.getOrLoad(KEY, row.read);

    // This process alone cannot reach Redis; Redis keeps its data.
    server.freeze();
    const writing = here.write(KEY, () => row.write('new'));
    expect(await writing).toBe('new');
    expect(await here.getOrLoad(KEY, row.read)).toBe('new');
    expect(await here.get(KEY)).toBeUndefined();
    server.thaw();

    expect(await here.getOrLoad(KEY, row.read)).toBe('new');
    await until(async () => !(await client.hGet(`${namespace}:${KEY}`, 'v'))?.endsWith('"old"'));
    await until(async () => (await there.getOrLoad(KEY, row.read)) === 'new');
    await until(async () => {
      await here.getOrLoad(KEY, row.read);
      return (await here.get(KEY)) === 'new';
    });
    expect(await there.getOrLoad(KEY, row.read)).toBe('new');
  });

  it.each<[string, (cache: Cache, row: Row) => Promise<unknown>]>([
    ['write', (cache, row) => cache.write(KEY, () => row.write('new'))],
    ['writeThrough', (cache, row) => cache.writeThrough(KEY, () => row.write('new'))],
    ['delete', (cache, row) => row.write('new').then(() => cache.delete(KEY))],
    ['set', (cache, row) => row.write('new').then((value) => cache.set(KEY, value))],
  ])('a %s that Redis refuses is made good before this process reads the cache again', async (_, change) => {
    const server = await RedisServer.start();
    const namespace = uniqueNamespace();
    const row = new Row();
    const { cache, client } = await openCache(namespace, {}, server.url);
    await cache.getOrLoad(KEY, row.read);

    // Scripts fail, reads do not: the delete of the textbook pattern that goes wrong.
    await client.sendCommand(['ACL', 'SETUSER', 'default', '-evalsha', '-eval', '-unlink', '-del']);
    await change(cache, row);
    expect(await client.hGet(`${namespace}:${KEY}`, 'v')).toMatch(/^2j .* "old"$/);
    expect(await cache.get(KEY)).toBeUndefined();
    expect(await cache.getOrLoad(KEY, row.read)).toBe('new');

    await client.sendCommand(['ACL', 'SETUSER', 'default', '+@all']);
    expect(await cache.getOrLoad(KEY, row.read)).toBe('new');
    expect(await client.hGet(`${namespace}:${KEY}`, 'v')).toMatch(/^2j .* "new"$/);
  });

  it('is made good for other processes though nobody asks here', async () => {
    const server = await RedisServer.start();
    const namespace = uniqueNamespace();
    const row = new Row();
    const { cache, client } = await openCache(namespace, {}, server.url);
    await cache.set('other', 'kept');
    await cache.set(KEY, 'old');
    await client.sendCommand(['ACL', 'SETUSER', 'default', '-evalsha', '-eval']);
    await cache.write(KEY, () => row.write('new'));
    await client.sendCommand(['ACL', 'SETUSER', 'default', '+@all']);
    await until(async () => (await client.exists(`${namespace}:${KEY}`)) === 0);
    expect(await client.exists(`${namespace}:other`)).toBe(1);
  });
});
