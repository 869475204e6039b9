/** The demo on a Redis: limits, sessions and both caches where app.ts puts them, and the keys that they leave behind. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { openRedis, type RedisClient } from '../../demo-app/database/redis.js';
import { onTestEnd } from '../support/cleanup.js';
import type { Reply } from '../support/http.js';
import { RedisServer } from '../support/redis-server.js';
import { openShop, type Shop, serveShop } from './support.js';

const REPORT = '/api/reports/monthly-revenue';
const ada = { email: 'ada@example.com', password: 'demo' };

let shop: Shop;
let server: RedisServer;
let redis: RedisClient;

beforeAll(async () => {
  [shop, server] = await Promise.all([openShop(), RedisServer.start()]);
});
afterAll(() => shop.close());
beforeEach(async () => {
  redis = await openRedis(server.url, () => {});
  onTestEnd(() => redis.destroy());
  await redis.flushAll();
});

describe('the report', () => {
  test('is a miss and then a hit, with the same bytes', async () => {
    const app = await serveShop(shop.sql, { redis });
    const [first, second] = [await app.get(REPORT), await app.get(REPORT)];
    expect(cacheStatus(first)).not.toMatch(/\bhit\b/);
    expect(cacheStatus(second)).toMatch(/\bhit\b/);
    expect(second.body.equals(first.body)).toBe(true);
    expect(Number(second.headers.age)).toBeLessThanOrEqual(60);
  });

  test('is a hit for those who are logged in, too, and sets them no cookie', async () => {
    const app = await serveShop(shop.sql, { redis });
    const before = await app.get(REPORT);
    const browser = app.browser();
    await browser.send('/api/login', { body: ada });
    const after = await browser.get(REPORT);
    expect(cacheStatus(after)).toMatch(/\bhit\b/);
    expect(after.body.equals(before.body)).toBe(true);
    expect(after.headers['set-cookie']).toBeUndefined();
  });

  test('that somebody logged in asked for first is a hit for everyone', async () => {
    const app = await serveShop(shop.sql, { redis });
    const browser = app.browser();
    await browser.send('/api/login', { body: ada });
    await browser.get(REPORT);
    expect(cacheStatus(await app.get(REPORT))).toMatch(/\bhit\b/);
  });

  test('made by one process is a hit in another', async () => {
    const [one, other] = [await serveShop(shop.sql, { redis }), await serveShop(shop.sql, { redis })];
    const headers = { host: 'shop.example' };
    await one.get(REPORT, headers);
    expect(cacheStatus(await other.get(REPORT, headers))).toMatch(/\bhit\b/);
  });

  test('is all that is cached: nobody else is answered from a copy', async () => {
    const browser = (await serveShop(shop.sql, { redis })).browser();
    await browser.send('/api/login', { body: ada });
    for (const path of ['/api/me', '/api/products', '/api/users/1', '/api/orders/1']) {
      const reply = await browser.get(path);
      expect([path, reply.headers['cache-control'], reply.headers['cache-status']]).toEqual([
        path,
        'no-store',
        undefined,
      ]);
    }
  });
});

describe('the limit', () => {
  test('of a hundred lets a hundred pass, and answers the next one 429 with the exact wait', async () => {
    const app = await serveShop(shop.sql, { redis, rateLimit: 100 });
    const began = Date.now();
    const replies = await inTurns(101, () => app.get('/api/products/1'));
    const statuses = replies.map(({ status }) => status);
    expect(statuses.filter((status) => status === 429)).toEqual([429]);
    expect(statuses.filter((status) => status === 200)).toHaveLength(100);

    const denied = replies.find(({ status }) => status === 429) as Reply;
    const wait = Number(denied.headers['retry-after']);
    // The first of the hundred leaves the window a minute after it came.
    expect(wait).toBeGreaterThanOrEqual(60 - Math.ceil((Date.now() - began) / 1000));
    expect(wait).toBeLessThanOrEqual(60);
    expect(denied.json().error.message).toMatch(/too many requests/);
  });

  test('is one over all routes of /api and all processes', async () => {
    const [one, other] = [
      await serveShop(shop.sql, { redis, rateLimit: 4 }),
      await serveShop(shop.sql, { redis, rateLimit: 4 }),
    ];
    const paths = ['/api/products/1', '/api/users/1', '/api/me', REPORT, '/api/nothing'];
    const statuses: number[] = [];
    for (const [index, path] of paths.entries())
      statuses.push((await (index % 2 ? one : other).get(path)).status);
    expect(statuses).toEqual([200, 200, 401, 200, 429]);
  });

  test('leaves health checks alone', async () => {
    const app = await serveShop(shop.sql, { redis, rateLimit: 1 });
    await app.get('/api/products/1');
    expect((await app.get('/api/products/1')).status).toBe(429);
    expect([(await app.get('/livez')).status, (await app.get('/readyz')).status]).toEqual([200, 200]);
  });

  test('of logins counts those that failed', async () => {
    const app = await serveShop(shop.sql, { redis, loginRateLimit: 3 });
    const logIn = (password: string) => app.send('/api/login', { body: { ...ada, password } });
    const statuses: number[] = [];
    for (const password of ['demo', 'demo', 'demo', 'demo', 'x', 'y', 'z', 'demo']) {
      statuses.push((await logIn(password)).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 401, 401, 401, 429]);
    expect((await app.get('/api/products/1')).status).toBe(200);
  });
});

describe('the list of products', () => {
  test('asks the database once for what the cache does not have, and for nothing when it has all', async () => {
    const asked: unknown[][] = [];
    const sql = new Proxy(shop.sql, {
      apply(target, self, args) {
        // `sql([1, 2])` inside a query is the list of what it asks for; a query itself begins with a template.
        if (Array.isArray(args[0]) && !('raw' in args[0])) asked.push(args[0]);
        return Reflect.apply(target, self, args);
      },
    });
    const app = await serveShop(sql, { redis });
    for (const id of [1, 2, 3]) await app.get(`/api/products/${id}`);
    const lists = [await app.get('/api/products'), await app.get('/api/products')];
    for (const list of lists) expect(list.json().products).toHaveLength(50);
    expect(lists[1]?.body).toEqual(lists[0]?.body);
    expect(asked.map((ids) => ids.length)).toEqual([47]);
  });

  test('shows a new price at once', async () => {
    const [one, other] = [await serveShop(shop.sql, { redis }), await serveShop(shop.sql, { redis })];
    await other.get('/api/products');
    await one.send('/api/products/11/price', { method: 'PUT', body: { price: 111.11 } });
    expect((await other.get('/api/products')).json().products[10]).toMatchObject({ id: 11, price: 111.11 });
  });
});

describe('a write in one process', () => {
  test('of a price is read back at once in another', async () => {
    const [one, other] = [await serveShop(shop.sql, { redis }), await serveShop(shop.sql, { redis })];
    for (const price of [5, 6.5, 7.25]) {
      await other.get('/api/products/9');
      await one.send('/api/products/9/price', { method: 'PUT', body: { price } });
      expect((await other.get('/api/products/9')).json().price).toBe(price);
    }
  });

  test('of a name is read back at once in another', async () => {
    const [one, other] = [await serveShop(shop.sql, { redis }), await serveShop(shop.sql, { redis })];
    for (const name of ['Edsger W.', 'Edsger']) {
      await other.get('/api/users/6');
      await one.send('/api/users/6', { method: 'PATCH', body: { name } });
      expect((await other.get('/api/users/6')).json().name).toBe(name);
    }
  });

  test('of a login is known in another, and of a logout too', async () => {
    const [one, other] = [await serveShop(shop.sql, { redis }), await serveShop(shop.sql, { redis })];
    const browser = one.browser();
    await browser.send('/api/login', { body: ada });
    const cookie = [...browser.cookies].map((pair) => pair.join('=')).join('; ');
    expect((await other.get('/api/me', { cookie })).status).toBe(200);
    await browser.send('/api/logout', { method: 'POST' });
    expect((await other.get('/api/me', { cookie })).status).toBe(401);
  });
});

describe('the devices of a user', () => {
  test('are listed, and left one by one or all at once, in whichever process', async () => {
    const [one, other] = [await serveShop(shop.sql, { redis }), await serveShop(shop.sql, { redis })];
    const [desk, phone, tablet] = [one.browser(), other.browser(), other.browser()];
    for (const browser of [desk, phone, tablet]) await browser.send('/api/login', { body: ada });
    const statuses = async () =>
      Promise.all([desk, phone, tablet].map(async (browser) => (await browser.get('/api/me')).status));

    const devices = (await phone.get('/api/devices')).json() as { handle: string; isCurrent: boolean }[];
    expect(devices).toHaveLength(3);
    const { handle } = devices.find(({ isCurrent }) => isCurrent) ?? {};
    expect((await desk.send(`/api/devices/${handle}`, { method: 'DELETE' })).json()).toEqual({ ended: 1 });
    expect(await statuses()).toEqual([200, 401, 200]);
    expect((await desk.send(`/api/devices/${handle}`, { method: 'DELETE' })).status).toBe(404);
    expect((await desk.send('/api/devices', { method: 'DELETE' })).json()).toEqual({ ended: 1 });
    expect(await statuses()).toEqual([200, 401, 401]);
    expect((await phone.get('/api/devices')).status).toBe(401);
  });

  test('are not known without Redis, which is said', async () => {
    const browser = (await serveShop(shop.sql)).browser();
    await browser.send('/api/login', { body: ada });
    expect((await browser.get('/api/devices')).status).toBe(501);
  });
});

describe('the keys in Redis', () => {
  test('are spelled as documented, and each has a TTL', async () => {
    const app = await serveShop(shop.sql, { redis });
    const browser = app.browser();
    await browser.send('/api/login', { body: { ...ada, password: 'wrong' } });
    await browser.send('/api/login', { body: ada });
    for (const path of ['/api/products/1', '/api/users/1', '/api/users/4711', '/api/me', REPORT])
      await browser.get(path);
    await browser.send('/api/products/2/price', { method: 'PUT', body: { price: 3 } });

    const keys = await redis.keys('*');
    expect([...new Set(keys.map(family))].sort()).toEqual(
      [
        'page:...',
        'rl:api:{127.0.0.1}',
        'rl:login:{127.0.0.1}',
        'sess-user:{1}',
        'sess:...',
        'shop:#products',
        'shop:#users',
        'shop:product:1',
        'shop:product:2',
        'shop:user:1',
        'shop:user:4711',
      ].sort(),
    );
    for (const key of keys) expect([key, (await redis.pTTL(key)) > 0]).toEqual([key, true]);
  });

  test('may be flushed at any time: the demo is logged out and slower, and goes on', async () => {
    const browser = (await serveShop(shop.sql, { redis })).browser();
    await browser.send('/api/login', { body: ada });
    await browser.get(REPORT);
    await redis.flushAll();
    const statuses = [];
    for (const path of ['/api/products/1', '/api/users/1', REPORT, '/api/me'])
      statuses.push((await browser.get(path)).status);
    expect(statuses).toEqual([200, 200, 200, 401]);
  });

  test('may hold anything: what is not ours is a miss', async () => {
    const browser = (await serveShop(shop.sql, { redis })).browser();
    await browser.send('/api/login', { body: ada });
    for (const path of ['/api/products/1', '/api/users/1', REPORT]) await browser.get(path);
    for (const key of await redis.keys('*')) {
      await redis.del(key);
      await redis.set(key, '{"__proto__":1', { EX: 60 });
    }
    const statuses = [];
    for (const path of ['/api/products/1', '/api/users/1', REPORT, '/api/me'])
      statuses.push((await browser.get(path)).status);
    expect(statuses).toEqual([200, 200, 200, 401]);
  });
});

test('readiness says whether Redis is there, and does not depend on it', async () => {
  const app = await serveShop(shop.sql, { redis });
  expect((await app.get('/readyz')).json()).toEqual({ status: 'ready', postgres: 'up', redis: 'up' });
  server.freeze();
  const frozen = await app.get('/readyz');
  server.thaw();
  expect([frozen.status, frozen.json()]).toEqual([200, { status: 'ready', postgres: 'up', redis: 'down' }]);
});

function cacheStatus(reply: Reply): string {
  return String(reply.headers['cache-status']);
}

/** Ten at a time. */
async function inTurns(count: number, send: () => Promise<Reply>): Promise<Reply[]> {
  const replies: Reply[] = [];
  while (replies.length < count) {
    const turn = Array.from({ length: Math.min(10, count - replies.length) }, send);
    replies.push(...(await Promise.all(turn)));
  }
  return replies;
}

/** The key without what differs from run to run. */
function family(key: string): string {
  return key.replace(/^(sess|page):.*$/s, '$1:...');
}
