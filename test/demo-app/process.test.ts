/** The demo as a process: how it starts, what it survives, and how it ends. */
import http from 'node:http';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { onTestEnd } from '../support/cleanup.js';
import { connect } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { openGate } from './gate.js';
import { type Demo, freshDatabase, launchDemo, openShop, type Shop, startDemo } from './support.js';

const ada = { email: 'ada@example.com', password: 'demo' };
const SECRET = 'a secret of these tests';

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

const start = (environment: Record<string, string> = {}) =>
  startDemo({ DATABASE_URL: shop.url, SESSION_SECRET: SECRET, RATE_LIMIT: '1000000', ...environment });

describe('starting', () => {
  test('two processes on one empty database both come up, and share what is in Redis', async () => {
    const [database, server] = await Promise.all([freshDatabase(), RedisServer.start()]);
    const environment = { DATABASE_URL: database.url, REDIS_URL: server.url };
    const [one, other] = await Promise.all([start(environment), start(environment)]);
    onTestEnd(database.drop);

    await other.get('/api/products/3');
    const reply = await one.send('/api/products/3/price', { method: 'PUT', body: { price: 77.77 } });
    expect(reply.status).toBe(200);
    expect((await other.get('/api/products/3')).json().price).toBe(77.77);
    for (const demo of [one, other]) demo.signal('SIGKILL');
    await Promise.all([one.ended(), other.ended()]);
  });

  test('with PGBOUNCER=1 uses no prepared statements', async () => {
    const demo = await start({ PGBOUNCER: '1' });
    const replies = await Promise.all([
      demo.get('/api/products/1'),
      demo.get('/api/reports/monthly-revenue'),
      demo.send('/api/orders', { body: { items: [{ productId: 1, quantity: 1 }] } }),
      demo.send('/api/login', { body: ada }),
    ]);
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 201, 200]);
  });

  test('without Redis says that everything lives in this process, and works', async () => {
    const demo = await start();
    expect(demo.output()).toMatch(/REDIS_URL is not set: .* this process only/);
    const browser = demo.browser();
    await browser.send('/api/login', { body: ada });
    expect((await browser.get('/api/me')).status).toBe(200);
    await demo.get('/api/reports/monthly-revenue');
    expect((await demo.get('/api/reports/monthly-revenue')).headers['cache-status']).toMatch(/\bhit\b/);
  });

  test('does not wait for a Redis that is not there, and uses it once it is', async () => {
    const server = await RedisServer.start();
    await server.kill();
    const demo = await start({ REDIS_URL: server.url });
    expect((await demo.get('/api/products/1')).status).toBe(200);
    expect((await demo.get('/readyz')).json()).toMatchObject({ status: 'ready', redis: 'down' });
    await server.restart();
    await until(async () => (await demo.get('/readyz')).json().redis === 'up');
    const redis = await connect(server.url);
    await until(async () => {
      await demo.get('/api/products/1');
      return (await redis.exists('shop:product:1')) === 1;
    });
  });

  test('on a port that is in use ends with one clear line and exit code 1, before it looks at the database', async () => {
    const port = String((await start()).port);
    const second = launchDemo({ DATABASE_URL: `${shop.url}_not`, PORT: port, SESSION_SECRET: SECRET });
    expect(await second.ended()).toBe(1);
    expect(errorLines(second.output())).toEqual([
      `the demo cannot start: port ${port} is in use: set PORT to another one, or to 0 for a free one`,
    ]);
  });

  test.each([
    [{ DATABASE_URL: '' }, /^the demo cannot start: DATABASE_URL: is required/],
    [{ PORT: 'http' }, /^the demo cannot start: PORT: must be a whole number/],
    [{ DATABASE_URL: 'shop.url/nowhere' }, /^the demo cannot start: DATABASE_URL: must be a URL/],
  ])('with %o ends with one clear line and exit code 1', async (environment, line) => {
    const demo = launchDemo({ DATABASE_URL: shop.url, ...environment });
    expect(await demo.ended()).toBe(1);
    expect(errorLines(demo.output())).toEqual([expect.stringMatching(line)]);
  });

  test('on a database that does not exist ends with one clear line and exit code 1', async () => {
    const demo = launchDemo({ DATABASE_URL: `${shop.url}_not` });
    expect(await demo.ended()).toBe(1);
    expect(errorLines(demo.output())).toEqual([expect.stringMatching(/database "demo_.*" does not exist/)]);
  });
});

describe('a Redis that dies and comes back under traffic', () => {
  test('costs no answer but those that need a session, and no process', async () => {
    const server = await RedisServer.start();
    const demo = await start({ REDIS_URL: server.url });
    const traffic = keepAsking(demo, ['/api/products/1', '/api/users/1', '/api/reports/monthly-revenue']);
    await sleep(300);
    await server.kill();
    await sleep(700);
    await server.restart();
    const backAt = performance.now();
    const redis = await connect(server.url);
    await until(async () => (await redis.keys('rl:api:*')).length > 0);
    const backAfterMs = performance.now() - backAt;
    await sleep(200);
    const { statuses, slowestMs } = await traffic.stop();

    expect([...statuses.keys()]).toEqual([200]);
    expect(statuses.get(200)).toBeGreaterThan(30);
    expect(slowestMs).toBeLessThan(5000);
    expect(backAfterMs).toBeLessThan(5000);
    expect(demo.output()).toMatch(/redis: away .*\n(.*\n)*redis: in use again/);
    demo.signal('SIGTERM');
    expect(await demo.ended()).toBe(0);
  });

  test('logs in again afterwards', async () => {
    const server = await RedisServer.start();
    const demo = await start({ REDIS_URL: server.url });
    const browser = demo.browser();
    const first = await browser.send('/api/login', { body: ada });
    expect(first.status).toBe(200);
    await server.kill();
    const away = await browser.get('/api/me');
    expect([away.status, away.headers['retry-after'], away.headers['set-cookie']]).toEqual([
      503,
      '1',
      undefined,
    ]);
    const login = await demo.send('/api/login', { body: ada });
    expect([login.status, login.headers['set-cookie']]).toEqual([503, undefined]);
    await server.restart();
    await until(async () => (await browser.send('/api/login', { body: ada })).status === 200);
    expect((await browser.get('/api/me')).status).toBe(200);
  });
});

describe('a Postgres that is away', () => {
  test('is a 503 that says when to come back, not a crash, and is used again when it is back', async () => {
    const gate = await openGate(shop.url);
    const demo = await start({ DATABASE_URL: gate.url });
    expect((await demo.get('/readyz')).status).toBe(200);
    gate.shut();
    const replies = await Promise.all([
      demo.get('/api/products'),
      demo.get('/api/products/2'),
      demo.get('/api/users/2'),
      demo.send('/api/products/2/price', { method: 'PUT', body: { price: 2 } }),
      demo.send('/api/orders', { body: { items: [{ productId: 1, quantity: 1 }] } }),
      demo.send('/api/login', { body: ada }),
      ...Array.from({ length: 30 }, () => demo.get('/api/orders/1')),
    ]);
    for (const reply of replies) {
      expect([reply.status, reply.headers['retry-after']]).toEqual([503, '1']);
      expect(reply.json()).toEqual({ error: { message: expect.stringContaining('database') } });
      expect(reply.durationMs).toBeLessThan(8000);
    }
    expect((await demo.get('/livez')).status).toBe(200);
    expect((await demo.get('/readyz')).json()).toMatchObject({ status: 'not ready', postgres: 'down' });
    gate.reopen();
    await until(async () => (await demo.get('/api/products/2')).status === 200);
    expect((await demo.get('/readyz')).status).toBe(200);
  });
});

describe('ending', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'on %s finishes what is under way and exits with 0',
    async (signal) => {
      const gate = await openGate(shop.url);
      const demo = await start({ DATABASE_URL: gate.url });
      const idle = new http.Agent({ keepAlive: true });
      onTestEnd(() => idle.destroy());
      await overAgent(demo, idle);

      gate.hold();
      // As many as the pool has connections, so that all of them are held up on their way to Postgres.
      const underWay = Array.from({ length: 10 }, () => demo.get('/api/products'));
      await until(async () => gate.held() >= underWay.length);
      demo.signal(signal);
      await until(async () => demo.output().includes('finishing the requests under way'));
      await until(() => isRefused(demo));
      gate.release();

      for (const reply of await Promise.all(underWay)) {
        expect([reply.status, reply.headers.connection]).toEqual([200, 'close']);
      }
      expect(await demo.ended()).toBe(0);
    },
  );

  test('waits for nothing that hangs: a frozen Redis, an idle client, half a request', async () => {
    const server = await RedisServer.start();
    const demo = await start({ REDIS_URL: server.url });
    await demo.get('/api/products/1');
    const half = net.connect(demo.port, '127.0.0.1').on('error', () => {});
    half.write(
      'POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{',
    );
    onTestEnd(() => half.destroy());
    await sleep(50);
    server.freeze();
    const began = performance.now();
    demo.signal('SIGTERM');
    expect(await demo.ended()).toBe(0);
    expect(performance.now() - began).toBeLessThan(10_000);
    server.thaw();
  });

  test('at the second signal does not wait', async () => {
    const gate = await openGate(shop.url);
    const demo = await start({ DATABASE_URL: gate.url });
    gate.hold();
    const underWay = demo.get('/api/products').catch(() => 'cut');
    await until(async () => gate.held() > 0);
    demo.signal('SIGTERM');
    await until(async () => demo.output().includes('finishing the requests under way'));
    const began = performance.now();
    demo.signal('SIGTERM');
    expect(await demo.ended()).toBe(143);
    expect(performance.now() - began).toBeLessThan(2000);
    expect(await underWay).toBe('cut');
  });
});

async function isRefused(demo: Demo): Promise<boolean> {
  return demo.get('/livez').then(
    () => false,
    (error) => error.code === 'ECONNREFUSED',
  );
}

function errorLines(output: string): string[] {
  return output
    .trim()
    .split('\n')
    .filter((line) => !line.includes('is not set: '));
}

/** One request after the other on each path until it is stopped. */
function keepAsking(demo: Demo, paths: readonly string[]) {
  const statuses = new Map<number, number>();
  let slowestMs = 0;
  let isOver = false;
  async function ask(path: string) {
    while (!isOver) {
      const { status, durationMs } = await demo.get(path);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      slowestMs = Math.max(slowestMs, durationMs);
    }
  }
  const asking = Promise.all(paths.map(ask));
  return {
    async stop() {
      isOver = true;
      await asking;
      return { statuses, slowestMs };
    },
  };
}

function overAgent(demo: Demo, agent: http.Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const req = http.get({ host: '127.0.0.1', port: demo.port, path: '/livez', agent }, (res) => {
      res.resume().on('end', resolve);
    });
    req.on('error', reject);
  });
}
