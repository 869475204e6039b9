/** The worker: what it does when an order comes in, how often, and what happens when it is not there. */
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { openRedis, type RedisClient } from '../../demo-app/database/redis.js';
import type { Events, ShopEvent } from '../../demo-app/events/events.js';
import { startJobs } from '../../demo-app/events/jobs.js';
import { createReports } from '../../demo-app/services/reports.js';
import { onTestEnd } from '../support/cleanup.js';
import type { Served } from '../support/http.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { follow, launchDemo, openEventsUntilTestEnds, openShop, type Shop, serveShop } from './support.js';

const REPORT = '/api/reports/monthly-revenue';
const HOUR_MS = 3_600_000;
const READY_WITHIN_MS = 30_000;
// Two programs started, stopped and started again, on a machine that does more than this.
jest.setTimeout(60_000);

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

async function placeOrder(app: Served): Promise<number> {
  const reply = await app.send('/api/orders', { body: { items: [{ productId: 1, quantity: 1 }] } });
  return reply.json().id;
}

const ordersIn = (months: readonly { orders: number }[]) =>
  months.reduce((sum, { orders }) => sum + orders, 0);

describe('its jobs', () => {
  let events: Events;
  let purged: number[];
  beforeEach(async () => {
    events = await openEventsUntilTestEnds();
    purged = [];
  });

  /** Each purge notes how many orders the view holds at that moment. */
  async function start(refreshEveryMs = HOUR_MS, logged: string[] = []) {
    const reportCache = {
      async purge() {
        purged.push(ordersIn((await createReports(shop.sql).monthlyRevenue()).months));
      },
    };
    const jobs = startJobs({
      sql: shop.sql,
      events,
      reportCache,
      log: (line) => logged.push(line),
      refreshEveryMs,
    });
    onTestEnd(jobs.stop);
    // What was there before is in the first report.
    await until(() => purged.length === 1);
    return jobs;
  }

  test('purge the page when the new order is in the view, not before', async () => {
    await start();
    await placeOrder(await serveShop(shop.sql, { events }));
    await until(() => purged.length === 2);
    expect(purged[1]).toBe((purged[0] ?? 0) + 1);
  });

  test('refresh once for orders that come in together', async () => {
    await start();
    const app = await serveShop(shop.sql, { events });
    await Promise.all(Array.from({ length: 30 }, () => placeOrder(app)));
    await until(() => purged.at(-1) === (purged[0] ?? 0) + 30);
    expect(purged.length).toBeLessThanOrEqual(4);
  });

  test('refresh on a schedule, too, for orders that nobody heard of', async () => {
    await start(100);
    const silent = await serveShop(shop.sql);
    await placeOrder(silent);
    await until(() => purged.at(-1) === (purged[0] ?? 0) + 1);
  });

  test('notify of an order once, however many workers hear of it', async () => {
    const logged: string[] = [];
    const jobs = await start(HOUR_MS, logged);
    const other = startJobs({
      sql: shop.sql,
      events,
      reportCache: { async purge() {} },
      log: (line) => logged.push(line),
      refreshEveryMs: HOUR_MS,
    });
    const id = await placeOrder(await serveShop(shop.sql, { events }));
    await until(async () => (await notificationsOf(id)).length > 0);
    await Promise.all([jobs.stop(), other.stop()]);
    expect(await notificationsOf(id)).toEqual([`Dear guest, your order ${id} is placed`]);
    expect(logged.filter((line) => line.includes(`order ${id} `))).toHaveLength(1);
  });

  test('do not believe an event that the database does not know of', async () => {
    const logged: string[] = [];
    const jobs = await start(HOUR_MS, logged);
    const id = await placeOrder(await serveShop(shop.sql));
    for (const event of [
      { kind: 'order', id: 99_999_999, status: 'placed', total: 1 },
      { kind: 'order', id, status: 'delivered', total: 1 },
      { kind: 'order', id: 2 ** 40, status: "'; drop table orders; --", total: 1 },
    ] satisfies ShopEvent[]) {
      events.publish(event);
    }
    await jobs.stop();
    expect(await notificationsOf(id)).toEqual([]);
    expect(logged.join()).not.toMatch(/^notification/m);
  });

  test('that fail are reported in one line, and done at the next occasion', async () => {
    const logged: string[] = [];
    let isAway = true;
    const reportCache = {
      async purge() {
        if (isAway) throw new Error('Redis is not available');
        purged.push(0);
      },
    };
    const jobs = startJobs({
      sql: shop.sql,
      events,
      reportCache,
      log: (line) => logged.push(line),
      refreshEveryMs: 100,
    });
    onTestEnd(jobs.stop);
    await until(() => logged.length > 0);
    isAway = false;
    await until(() => purged.length > 0);
    expect(logged[0]).toBe('refreshing the report: Redis is not available');
  });

  async function notificationsOf(orderId: number): Promise<string[]> {
    const rows = await shop.sql<{ text: string }[]>`
      select text from notifications where order_id = ${orderId} order by sent_at
    `;
    return rows.map(({ text }) => text);
  }
});

describe('the process', () => {
  let server: RedisServer;
  let redis: RedisClient;
  beforeEach(async () => {
    server = await RedisServer.start();
    redis = await openRedis(server.url, () => {});
    onTestEnd(() => redis.destroy());
  });

  async function startWorker() {
    const worker = launchDemo({ DATABASE_URL: shop.url, REDIS_URL: server.url }, 'worker');
    await until(() => worker.output().includes('listening to what happens'), READY_WITHIN_MS);
    return worker;
  }

  test('hears of an order in another process, notifies, and makes the cached report new', async () => {
    const app = await serveShop(shop.sql, { redis });
    const browser = await follow(app);
    await startWorker();
    await until(() => browser.events().some(([name]) => name === 'report'));
    const before = (await app.get(REPORT)).json();
    expect((await app.get(REPORT)).headers['cache-status']).toMatch(/\bhit\b/);

    const id = await placeOrder(app);
    const told = () => browser.events().filter(([name, event]) => name === 'notification' && event.id === id);
    await until(() => told().length > 0);
    await until(async () => ordersIn((await app.get(REPORT)).json().months) > ordersIn(before.months));
    const after = (await app.get(REPORT)).json();
    expect(ordersIn(after.months)).toBe(ordersIn(before.months) + 1);
    expect(Date.parse(after.refreshedAt)).toBeGreaterThan(Date.parse(before.refreshedAt));
    await until(() => browser.events().filter(([name]) => name === 'report').length === 2);
    expect(browser.events().at(-1)?.[1]).toEqual({
      kind: 'report',
      id: 'monthly-revenue',
      refreshedAt: after.refreshedAt,
    });
  });

  test('that is killed is missed by nobody who orders; the next one brings the report up to date', async () => {
    const app = await serveShop(shop.sql, { redis });
    const worker = await startWorker();
    worker.signal('SIGKILL');
    await worker.ended();
    const id = await placeOrder(app);
    expect(id).toBeGreaterThan(0);
    const before = ordersIn((await app.get(REPORT)).json().months);
    await startWorker();
    await until(async () => ordersIn((await app.get(REPORT)).json().months) > before);
    // Pub/sub forgets: nobody listened when it was placed.
    expect(await shop.sql`select from notifications where order_id = ${id}`).toHaveLength(0);
  });

  test('goes on after a Redis that dies and comes back', async () => {
    const app = await serveShop(shop.sql, { redis });
    const worker = await startWorker();
    await server.kill();
    await placeOrder(app);
    await server.restart();
    await until(async () => {
      const id = await placeOrder(app);
      return (await shop.sql`select from notifications where order_id = ${id}`).length > 0;
    });
    expect(worker.hasEnded()).toBe(false);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('ends on %s with 0, with Redis frozen too', async (signal) => {
    const [one, other] = await Promise.all([startWorker(), startWorker()]);
    one.signal(signal);
    expect(await one.ended()).toBe(0);
    server.freeze();
    other.signal(signal);
    expect(await other.ended()).toBe(0);
    server.thaw();
  });

  test('without REDIS_URL says that there is nothing for it to do', async () => {
    const worker = launchDemo({ DATABASE_URL: shop.url }, 'worker');
    expect(await worker.ended()).toBe(1);
    expect(worker.output()).toMatch(/^the worker cannot start: REDIS_URL: is required, [^\n]+\n$/);
  });
});
