/** Rows that somebody changes behind the shop's back, in psql for example, and what the shop shows from then on. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import postgres from 'postgres';
import { openRedis } from '../../demo-app/database/redis.js';
import { followRowChanges } from '../../demo-app/database/row-changes.js';
import { openShopCache } from '../../demo-app/services/shop-cache.js';
import { onTestEnd } from '../support/cleanup.js';
import type { Served } from '../support/http.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { openGate } from './gate.js';
import { openShop, type Shop, serveShop, startDemo } from './support.js';

let shop: Shop;
let psql: postgres.Sql;
beforeAll(async () => {
  shop = await openShop();
  psql = postgres(shop.url, { max: 1, connection: { application_name: 'psql' } });
});
afterAll(async () => {
  await psql.end();
  await shop.close();
});

const priceOf = async (app: Served, id: number) => (await app.get(`/api/products/${id}`)).json().price;

async function startRedis() {
  const server = await RedisServer.start();
  const redis = await openRedis(server.url, () => {});
  onTestEnd(() => redis.destroy());
  return redis;
}

/** An app that is told of changed rows over `url`, and listens by the time it is returned. */
async function serveFollowing(url: string, given: Parameters<typeof serveShop>[1] = {}) {
  const cache = openShopCache(given.redis);
  const logged: string[] = [];
  const changes = followRowChanges(url, cache, (line) => logged.push(line));
  onTestEnd(changes.close);
  const app = await serveShop(shop.sql, { ...given, cache });
  return { app, logged, changes };
}

/** Another row, changed until that is seen: from then on this process listens. */
async function untilListening(app: Served): Promise<void> {
  let price = 1;
  await until(async () => {
    price += 1;
    await priceOf(app, 50);
    await psql`update products set price = ${price} where id = 50`;
    await until(async () => (await priceOf(app, 50)) === price, 300).catch(() => {});
    return (await priceOf(app, 50)) === price;
  });
}

describe('a row changed in psql', () => {
  test('shows at once, alone and in the list, in a process that did not hear of it either', async () => {
    const redis = await startRedis();
    const { app } = await serveFollowing(shop.url, { redis });
    const other = await serveShop(shop.sql, { redis });
    await untilListening(app);
    for (const each of [app, other]) await each.get('/api/products');
    await psql`update products set price = 123.45 where id = 4`;
    for (const each of [app, other]) {
      await until(async () => (await priceOf(each, 4)) === 123.45, 2_000);
      expect((await each.get('/api/products')).json().products[3].price).toBe(123.45);
    }
  });

  test('shows without Redis, too', async () => {
    const { app } = await serveFollowing(shop.url);
    await untilListening(app);
    await app.get('/api/users/5');
    await psql`update users set name = 'Don' where id = 5`;
    await until(async () => (await app.get('/api/users/5')).json().name === 'Don', 2_000);
  });

  test('that is a closed account is not served any more', async () => {
    const { app } = await serveFollowing(shop.url);
    await untilListening(app);
    expect((await app.get('/api/users/6')).status).toBe(200);
    await psql`update users set is_active = false where id = 6`;
    await until(async () => (await app.get('/api/users/6')).status === 404, 2_000);
  });

  test('in a transaction that is rolled back changes nothing', async () => {
    const { app } = await serveFollowing(shop.url);
    await untilListening(app);
    const before = await priceOf(app, 7);
    await psql.begin(async (sql) => {
      await sql`update products set price = 3 where id = 7`;
      await sql`rollback and chain`;
    });
    expect(await priceOf(app, 7)).toBe(before);
  });

  test.each([0, 2_500])('while the connection is lost for %i ms shows when it is back', async (lostForMs) => {
    const gate = await openGate(shop.url);
    const { app } = await serveFollowing(gate.url);
    await untilListening(app);
    await priceOf(app, 8);
    gate.shut();
    await psql`update products set price = ${80 + lostForMs / 1000} where id = 8`;
    // The attempts that fail meanwhile must not be the last ones.
    await sleep(lostForMs);
    await gate.reopen();
    await until(async () => (await priceOf(app, 8)) === 80 + lostForMs / 1000);
    await untilListening(app);
  });

  test('shows although Postgres could not be reached when the process began; that is said once', async () => {
    const gate = await openGate(shop.url);
    gate.shut();
    const { app, logged } = await serveFollowing(gate.url);
    await until(() => logged.length > 0);
    await priceOf(app, 9);
    await gate.reopen();
    await untilListening(app);
    expect(logged).toEqual([
      expect.stringMatching(/^not told of rows that others change \(.+\): trying again$/),
    ]);
  });

  test('shows in the program itself, which ends in good order while it listens', async () => {
    const demo = await startDemo({ DATABASE_URL: shop.url, RATE_LIMIT: '1000000' });
    await untilListening(demo);
    demo.signal('SIGTERM');
    expect(await demo.ended()).toBe(0);
  });
});

test('a price that the shop itself has changed stays where writeThrough has put it', async () => {
  const redis = await startRedis();
  const { app } = await serveFollowing(shop.url, { redis });
  await untilListening(app);
  await app.send('/api/products/10/price', { method: 'PUT', body: { price: 10.1 } });
  // Messages come in the order of the commits: the next one is here, so one of that price would be.
  await untilListening(app);
  expect(await redis.exists('shop:product:10')).toBe(1);
  expect(await priceOf(app, 10)).toBe(10.1);
});
