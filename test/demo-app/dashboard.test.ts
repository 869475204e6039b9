/** The dashboard without a browser: its page, what it is fed with, its buttons, and who may press them. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { html } from '../../demo-app/dashboard/html.js';
import { openRedis, type RedisClient } from '../../demo-app/database/redis.js';
import { onTestEnd } from '../support/cleanup.js';
import type { Browser, Reply } from '../support/http.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { follow, openShop, type Shop, serveShop, startDemo } from './support.js';

const ada = { email: 'ada@example.com', password: 'demo' };
const inBrowser = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

async function onRedis(): Promise<{ server: RedisServer; redis: RedisClient }> {
  const server = await RedisServer.start();
  const redis = await openRedis(server.url, () => {});
  onTestEnd(() => redis.destroy());
  return { server, redis };
}

describe('the page', () => {
  test('is for browsers; curl and who asks for JSON get the list of routes', async () => {
    const app = await serveShop(shop.sql);
    const page = await app.get('/', inBrowser);
    expect(page.headers['content-type']).toMatch(/^text\/html; charset=utf-8/);
    expect(page.text).toContain('Oak lamp');
    for (const accept of ['*/*', 'application/json']) {
      const reply = await app.get('/', { accept });
      expect(reply.json().routes['GET /api/products']).toBeDefined();
      expect(reply.headers.vary).toMatch(/\bAccept\b/);
    }
  });

  test('loads nothing from other hosts, runs nothing inline, and cannot be framed', async () => {
    const app = await serveShop(shop.sql);
    const { text, headers } = await app.get('/', inBrowser);
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; .*frame-ancestors 'none'$/,
    );
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['referrer-policy']).toBe('no-referrer');
    expect(text).not.toMatch(/ style=|<style|<script>| on[a-z]+="/);
    for (const [, url] of text.matchAll(/(?:src|href)="([^"]+)"/g)) expect(url).toMatch(/^(\/[^/]|#)/);
  });

  test('is served with all its files', async () => {
    const app = await serveShop(shop.sql);
    const { text } = await app.get('/', inBrowser);
    const files = [...text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path as string);
    for (const path of [...files, '/assets/uplot/uPlot.esm.js']) {
      const reply = await app.get(path);
      expect([path, reply.status]).toEqual([path, 200]);
      expect(reply.headers['content-type']).toMatch(/javascript|css|svg/);
      const again = await app.get(path, { 'if-none-match': String(reply.headers.etag) });
      expect(again.status).toBe(304);
    }
    for (const path of ['/assets/../app.ts', '/assets/%2e%2e/app.ts', '/assets/uplot/../package.json'])
      expect((await app.get(path)).status).toBe(404);
  });

  test('shows what is in the database as text, whatever it is', async () => {
    const name = '<img src=x onerror="alert(1)">&\'';
    await shop.sql`update products set name = ${name} where id = 3`;
    const { text } = await (await serveShop(shop.sql)).get('/', inBrowser);
    expect(text).toContain('&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&amp;&#39;');
    expect(text).not.toContain('<img');
    expect(String(html`<p>${html`<b>${'<'}</b>`}${[html`1`, html`2`]}${3}</p>`)).toBe(
      '<p><b>&lt;</b>123</p>',
    );
  });
});

describe('a request from a page of another site', () => {
  const place = (headers: Record<string, string>) => ({
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: '{"items":[{"productId":1,"quantity":1}]}',
  });

  test.each([
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:1' }, 403],
    [{ origin: 'https://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ 'sec-fetch-site': 'same-origin' }, 201],
    [{}, 201],
  ])('changes nothing: %j is answered %i', async (headers, status) => {
    const app = await serveShop(shop.sql);
    expect((await app.send('/api/orders', place(headers as Record<string, string>))).status).toBe(status);
  });

  test('may come from this one, also where the browser says no more than Origin', async () => {
    const app = await serveShop(shop.sql);
    expect((await app.send('/api/orders', place({ origin: app.url }))).status).toBe(201);
  });

  test('may look', async () => {
    const app = await serveShop(shop.sql);
    expect((await app.get('/api/products/1', { 'sec-fetch-site': 'cross-site' })).status).toBe(200);
  });
});

describe('my windows', () => {
  test('are shown with every hit in them, and looking is no hit', async () => {
    const { redis } = await onRedis();
    const app = await serveShop(shop.sql, { redis, rateLimit: 4 });
    for (const path of ['/api/products/1', '/api/products/2', '/api/products/3']) await app.get(path);
    await app.get('/dashboard/windows');
    const [api, login] = (await app.get('/dashboard/windows')).json();
    expect(api).toMatchObject({
      name: 'api',
      limit: 4,
      used: 3,
      remaining: 1,
      nextSlotMs: 0,
      source: 'redis',
    });
    expect(api.hitsAgoMs).toHaveLength(3);
    for (const agoMs of api.hitsAgoMs) expect(agoMs).toBeLessThan(20_000);
    expect(login).toMatchObject({ name: 'login', used: 0, hitsAgoMs: [] });
  });

  test('say when the next request is let in', async () => {
    const { redis } = await onRedis();
    const app = await serveShop(shop.sql, { redis, rateLimit: 1 });
    await app.get('/api/products/1');
    const [api] = (await app.get('/dashboard/windows')).json();
    expect(api.remaining).toBe(0);
    expect(api.nextSlotMs).toBeGreaterThan(30_000);
    expect(api.nextSlotMs).toBeLessThanOrEqual(60_000);
  });

  test('are those of this process while Redis is frozen, within the deadline', async () => {
    const { redis, server } = await onRedis();
    const app = await serveShop(shop.sql, { redis, rateLimit: 4 });
    await app.get('/dashboard/windows');
    server.freeze();
    onTestEnd(() => server.thaw());
    const reply = await app.get('/dashboard/windows');
    expect(reply.status).toBe(200);
    expect(reply.json()[0]).toMatchObject({ source: 'memory', used: 0 });
    expect(reply.durationMs).toBeLessThan(2000);
  });

  test('without Redis are counted in this process', async () => {
    const app = await serveShop(shop.sql, { rateLimit: 4 });
    await app.get('/api/products/1');
    expect((await app.get('/dashboard/windows')).json()[0]).toMatchObject({ used: 1, source: 'memory' });
  });
});

describe('my session', () => {
  const sessionOf = async (browser: Browser) => (await browser.get('/dashboard/session')).json();

  test('is shown with both of its ends and my devices, and looking does not use it', async () => {
    const { redis } = await onRedis();
    const app = await serveShop(shop.sql, { redis });
    const browser = app.browser();
    expect(await sessionOf(browser)).toEqual({ state: 'anonymous' });
    await browser.send('/api/login', { body: ada });
    const first = await sessionOf(browser);
    expect(first).toMatchObject({ state: 'logged-in', name: 'Ada Lovelace', devices: [{ isCurrent: true }] });
    expect(first.idleLeftMs).toBeLessThanOrEqual(3_600_000);
    expect(first.absoluteLeftMs).toBeLessThanOrEqual(8 * 3_600_000);
    await until(async () => (await sessionOf(browser)).idleLeftMs < first.idleLeftMs - 1000);
    const looked = await sessionOf(browser);
    await browser.get('/api/me');
    expect((await sessionOf(browser)).idleLeftMs).toBeGreaterThan(looked.idleLeftMs);
  });

  test('cannot be told while Redis is away, and is there afterwards', async () => {
    const { redis, server } = await onRedis();
    const app = await serveShop(shop.sql, { redis });
    const browser = app.browser();
    await browser.send('/api/login', { body: ada });
    server.freeze();
    const replies: Reply[] = [await browser.get('/dashboard/session')];
    server.thaw();
    expect(replies.map((reply) => [reply.status, reply.json()])).toEqual([[200, { state: 'away' }]]);
    await until(async () => (await sessionOf(browser)).state === 'logged-in');
  });

  test('without Redis is shown without devices', async () => {
    const browser = (await serveShop(shop.sql)).browser();
    await browser.send('/api/login', { body: ada });
    expect(await sessionOf(browser)).toEqual({
      state: 'logged-in',
      name: 'Ada Lovelace',
      idleLeftMs: 3_600_000,
    });
  });
});

describe('the report', () => {
  test('is the same with the cache and without, and only the one is cached', async () => {
    const { redis } = await onRedis();
    const app = await serveShop(shop.sql, { redis });
    const cached = [await app.get('/dashboard/report/cached'), await app.get('/dashboard/report/cached')];
    const uncached = await app.get('/dashboard/report/uncached');
    expect(cached.map((reply) => reply.text)).toEqual([uncached.text, uncached.text]);
    expect(uncached.json().bestSellers).toHaveLength(10);
    expect(String(cached[1]?.headers['cache-status'])).toMatch(/\bhit\b/);
    expect(uncached.headers['cache-status']).toBeUndefined();

    await app.send('/dashboard/purge', { method: 'POST' });
    expect(String((await app.get('/dashboard/report/cached')).headers['cache-status'])).toMatch(
      /fwd=uri-miss/,
    );
  });
});

describe('the stream', () => {
  test('brings a sample a second and what happens in the shop, on one connection', async () => {
    const app = await serveShop(shop.sql);
    const browser = await follow(app, '/dashboard/events');
    await app.get('/dashboard/report/uncached');
    await app.send('/api/products/5/price', { method: 'PUT', body: { price: 12.34 } });
    await until(() => new Set(browser.events().map(([name]) => name)).size >= 2);
    const price = browser.events().find(([name]) => name === 'price');
    expect(price?.[1]).toMatchObject({ id: 5, price: 12.34 });
    await until(async () => {
      const { samples } = (await app.get('/dashboard/samples')).json();
      return samples.some(({ uncached }: { uncached: { count: number; p50: number } }) => uncached.p50 > 0);
    });
  });

  test('says at once which features do without Redis', async () => {
    const { redis, server } = await onRedis();
    const app = await serveShop(shop.sql, { redis });
    await app.get('/api/products/1');
    const browser = await follow(app, '/dashboard/events');
    await server.kill();
    await app.get('/api/products/1');
    await until(() =>
      browser.events().some(([name, { outages }]) => name === 'redis' && outages['rate-limit']),
    );
  });
});

describe('freezing Redis', () => {
  test('is for a Redis that the demo started itself', async () => {
    const { redis } = await onRedis();
    const app = await serveShop(shop.sql, { redis });
    expect((await app.get('/', inBrowser)).text).not.toContain('id="freeze"');
    expect((await app.send('/dashboard/freeze', { method: 'POST' })).status).toBe(501);
  });

  test('stops no process but that Redis', async () => {
    const { redis } = await onRedis();
    const stranger = await RedisServer.start();
    const app = await serveShop(shop.sql, { redis, redisPid: stranger.pid });
    expect((await app.send('/dashboard/freeze', { method: 'POST' })).status).toBe(409);
  });

  test('lasts three seconds, once at a time, and the shop goes on', async () => {
    const { redis, server } = await onRedis();
    const app = await serveShop(shop.sql, { redis, redisPid: server.pid });
    expect((await app.get('/', inBrowser)).text).toContain('id="freeze"');
    const freeze = () => app.send('/dashboard/freeze', { method: 'POST' });
    expect((await freeze()).json()).toEqual({ frozenForMs: 3000 });
    expect((await freeze()).status).toBe(409);
    await until(async () => (await app.get('/readyz')).json().redis === 'down');
    expect((await app.get('/api/products/1')).status).toBe(200);
    await until(async () => (await app.get('/readyz')).json().redis === 'up', 15_000);
  });
});

test('a Redis that is frozen thaws also when the demo is killed meanwhile', async () => {
  const { redis, server } = await onRedis();
  const demo = await startDemo({
    DATABASE_URL: shop.url,
    REDIS_URL: server.url,
    DEMO_REDIS_PID: String(server.pid),
  });
  expect((await demo.send('/dashboard/freeze', { method: 'POST' })).status).toBe(202);
  await until(async () => (await demo.get('/readyz')).json().redis === 'down');
  demo.signal('SIGKILL');
  expect(await demo.ended()).toBe('SIGKILL');
  await until(() =>
    redis.ping().then(
      () => true,
      () => false,
    ),
  );
});

test('/metrics has what the middlewares did', async () => {
  const app = await serveShop(shop.sql);
  await app.get('/api/products/1');
  const { text, headers } = await app.get('/metrics');
  expect(headers['content-type']).toMatch(/^text\/plain/);
  expect(text).toMatch(/express_redis_suite_rate_limit_decisions_total\{name="api",.*\} 1/);
});
