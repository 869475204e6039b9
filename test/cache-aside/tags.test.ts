// Purging by tag, and writing what carries one. Two caches with a client each stand for two processes.
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Cache } from 'express-redis-suite/cache-aside';
import { type TestClient, uniqueNamespace } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { Hold, keysOf, openCache } from './support.js';

describe('tags', () => {
  let namespace: string;
  let here: Cache;
  let there: Cache;
  let client: TestClient;

  beforeEach(async () => {
    namespace = uniqueNamespace();
    ({ cache: here, client } = await openCache(namespace));
    ({ cache: there } = await openCache(namespace));
  });

  interface Product {
    readonly id: number;
    readonly category: string;
  }
  const tags = (product: Product) => ['products', `category:${product.category}`];
  const load = (cache: Cache, id: number, category: string) =>
    cache.getOrLoad<Product>(`product:${id}`, () => ({ id, category }), { tags });

  it('purge values everywhere, and no others', async () => {
    await Promise.all([load(here, 1, 'books'), load(there, 2, 'games'), here.set('other', 1)]);
    await there.invalidateTags('category:books', 'unknown');
    expect(await here.get('product:1')).toBeUndefined();
    expect(await here.get('product:2')).toEqual({ id: 2, category: 'games' });
    await here.invalidateTags('products');
    expect(await there.get('product:2')).toBeUndefined();
    expect(await there.get('other')).toBe(1);
    await there.invalidateTags();
  });

  it('may be a list, and are kept with whatever stores a value', async () => {
    const tagged = { tags: ['all'] };
    await here.set('a', 1, tagged);
    await here.writeThrough('b', () => 2, tagged);
    await here.getOrLoad('c', () => null, tagged);
    await here.wrap(() => 4, { key: () => 'd', ...tagged })();
    expect((await there.getMany(['a', 'b', 'c', 'd'])).size).toBe(4);
    await there.invalidateTags('all');
    expect((await here.getMany(['a', 'b', 'c', 'd'])).size).toBe(0);
  });

  it('of a row that is missing, and not kept as missing, keep later callers from sharing a load from before a write', async () => {
    const options = { tags: ['t'], missTtlMs: 0 };
    const loading = new Hold();
    const early = there.getOrLoad<string | null>('a', () => loading.step().then(() => null), options);
    await loading.reached;
    await here.write({ tags: ['t'] }, () => {});
    const late = there.getOrLoad<string | null>('a', () => 'new', options);
    // Answered after what `late` has asked Redis.
    await there.get('b');
    loading.letGo();
    expect([await early, await late]).toEqual([null, 'new']);
  });

  it('keep out a load that began before the purge, and nobody who asks after it is served what it brings', async () => {
    for (const cache of [here, there]) {
      const loading = new Hold();
      const early = cache.getOrLoad('a', () => loading.step().then(() => 'old'), { tags: ['t'] });
      await loading.reached;
      await here.invalidateTags('t');
      const late = cache.getOrLoad('a', () => 'new', { tags: ['t'] });
      // Answered after what `late` has asked Redis.
      await cache.get('b');
      loading.letGo();
      expect([await early, await late]).toEqual(['old', 'new']);
      expect(await there.getOrLoad('a', () => 'new')).toBe('new');
      await here.delete('a');
    }
  });

  it('can be written: nothing that carries one is served from before the change until after it', async () => {
    await here.set('a', 'old', { tags: ['t'] });
    const committed = new Hold();
    const writing = here.write(['other', { tags: ['t'] }], () => committed.step());
    await committed.reached;
    expect([await here.get('a'), await there.get('a')]).toEqual([undefined, undefined]);
    for (const cache of [here, there]) {
      expect(await cache.getOrLoad('a', () => 'new', { tags: ['t'] })).toBe('new');
      expect([await here.get('a'), await there.get('a')]).toEqual([undefined, undefined]);
    }
    committed.letGo();
    await writing;
    expect([await here.get('a'), await there.get('a')]).toEqual([undefined, undefined]);
    await there.getOrLoad('a', () => 'new', { tags: ['t'] });
    expect(await here.get('a')).toBe('new');
  });

  it('while they are written, few loads run for the many who ask', async () => {
    const writing = new Hold();
    const written = here.write({ tags: ['t'] }, () => writing.step());
    await writing.reached;
    for (const cache of [here, there]) {
      const slow = jest.fn(() => new Promise((resolve) => setTimeout(resolve, 20, 'value')));
      await Promise.all(Array.from({ length: 100 }, () => cache.getOrLoad('a', slow, { tags: ['t'] })));
      expect(slow.mock.calls.length).toBeLessThanOrEqual(4);
    }
    writing.letGo();
    await written;
  });

  it.each([[['']], [[42]], ['products'], [Array.from({ length: 101 }, String)]])(
    'are refused when they are %j',
    async (bad) => {
      const refused = { code: 'ERS_INVALID_OPTION', message: expect.stringContaining('tags: ') };
      const given = { tags: bad as string[] };
      await expect(here.getOrLoad('a', () => 1, given)).rejects.toMatchObject(refused);
      await expect(here.getOrLoad('a', () => 1, { tags: () => bad as string[] })).rejects.toMatchObject(
        refused,
      );
    },
  );

  it('leave readable records behind, with a TTL', async () => {
    await load(here, 1, 'books & more');
    await here.invalidateTags('products', 'x'.repeat(1_000));
    const keys = await keysOf(client, namespace);
    expect([...keys.keys()]).toContain(`${namespace}:#products`);
    for (const [key, ttlMs] of keys) {
      expect(key).toMatch(/^[A-Za-z0-9._~@:/+=!#-]{1,199}$/);
      expect(ttlMs).toBeGreaterThan(0);
    }
  });

  it('that Redis could not purge are not served here, and purged elsewhere as soon as it can', async () => {
    const server = await RedisServer.start();
    const own = await openCache(namespace, {}, server.url);
    const other = await openCache(namespace, {}, server.url);
    await own.cache.set('a', 'old', { tags: ['t'] });
    await own.client.sendCommand(['ACL', 'SETUSER', 'default', '-evalsha', '-eval']);
    await own.cache.write({ tags: ['t'] }, () => {});
    await own.cache.invalidateTags('t');
    expect(await own.cache.get('a')).toBeUndefined();
    await own.client.sendCommand(['ACL', 'SETUSER', 'default', '+@all']);
    await until(async () => (await other.cache.get('a')) === undefined);
    await until(async () => {
      await own.cache.getOrLoad('a', () => 'new', { tags: ['t'] });
      return (await own.cache.get('a')) === 'new';
    });
  });
});
