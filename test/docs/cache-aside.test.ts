import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import postgres from 'postgres';
import { type Database, freshDatabase } from '../demo-app/support.js';
import { connect, type TestClient } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { benchOf, optionsOf } from './snippets.js';

const PAGE = 'docs/cache-aside.md';
const AMBIENT = `
import type { Cache } from 'express-redis-suite/cache-aside';
import type postgres from 'postgres';
import type { RedisClientType } from 'redis';
declare global {
  const client: RedisClientType;
  const sql: postgres.Sql;
  const cache: Cache;
  function slowReport(): Promise<string>;
}
`;

const page = benchOf(PAGE, AMBIENT);
const { workbench, modules } = page;

test('every snippet compiles', async () => {
  expect(modules.size).toBeGreaterThan(5);
  expect(await workbench.complaints()).toBe('');
}, 60_000);

test('The table of options has every option, each once', () => {
  const { declared, shown } = optionsOf('lib/cache-aside/options.ts', 'CacheOptions', page);
  expect(declared.length).toBeGreaterThan(10);
  expect(shown).toEqual(declared);
});

describe('Each snippet does what the page says:', () => {
  let redis: RedisServer;
  let client: TestClient;
  let database: Database;
  let call: (name: string, ...args: unknown[]) => Promise<unknown>;
  /** Past the cache, as in psql. */
  const query = (text: string) => call('query', text);

  const deeds: Readonly<Record<string, () => Promise<void>>> = {
    async start() {
      expect(await call('readUser', 1)).toEqual({ id: 1, name: 'Ada' });
      await query("update users set name = 'psql' where id = 1");
      expect(await call('readUser', 1)).toEqual({ id: 1, name: 'Ada' });
      await call('renameUser', 1, 'Countess');
      expect(await call('readUser', 1)).toEqual({ id: 1, name: 'Countess' });
      expect(await call('readUser', 2)).toBeNull();
      expect(await client.hGet('shop:user:1', 'v')).toContain('Countess');
    },
    async many() {
      const pen = { id: 1, name: 'pen', price_cents: 100 };
      expect(await call('readProducts', [1, 99])).toEqual([pen]);
      await query('update products set price_cents = 7');
      const cup = { id: 2, name: 'cup', price_cents: 7 };
      expect(await call('readProducts', [2, 1])).toEqual([cup, pen]);
    },
    async 'write-through'() {
      expect(await call('setPrice', 1, 250)).toEqual({ id: 1, name: 'pen', price_cents: 250 });
      expect(await client.hGet('shop:product:1', 'v')).toContain('"price_cents":250');
    },
    async plain() {
      expect([await call('visit', 'home'), await call('visit', 'home')]).toEqual([1, 2]);
      expect(await call('forgetVisits', 'home')).toBe(true);
      expect(await call('visit', 'home')).toBe(1);
    },
    async wrap() {
      expect(await call('countProducts', 'office')).toBe(1);
      await query("update products set category = 'office'");
      expect(await call('countProducts', 'office')).toBe(1);
    },
    async tags() {
      expect(await call('readCategory', 'office')).toEqual([{ id: 1, name: 'pen' }]);
      await call('addProduct', 'ink', 'office');
      expect(await call('readCategory', 'office')).toHaveLength(2);
      await query("insert into products (name, category, price_cents) values ('imported', 'office', 1)");
      expect(await call('readCategory', 'office')).toHaveLength(2);
      await call('importedCatalogue');
      expect(await call('readCategory', 'office')).toHaveLength(3);
    },
    async memory() {
      expect(await call('readFrontPage')).toHaveLength(2);
      await query("delete from products where name = 'cup'");
      expect(await call('readFrontPage')).toHaveLength(2);
    },
    async notify() {
      expect(await call('readName', 1)).toBe('Ada');
      await query("update users set name = 'psql' where id = 1");
      await until(async () => (await call('readName', 1)) === 'psql');
      await call('stopListening');
    },
    async stale() {
      expect(await call('readReport')).toBe('report 1');
      await call('slowDown', 2_000);
      await sleep(1_050);
      const startedAt = performance.now();
      expect(await call('readReport')).toBe('report 1');
      expect(performance.now() - startedAt).toBeLessThan(1_500);
    },
  };

  beforeAll(async () => {
    redis = await RedisServer.start();
    database = await freshDatabase();
  });

  afterAll(() => database.drop());

  beforeEach(async () => {
    client = await connect(redis.url);
    await client.flushAll();
  });

  test.each(Object.keys(deeds))('%s', async (id) => {
    const sql = postgres(database.url, { max: 1, onnotice: () => {} });
    await sql.unsafe(TABLES);
    await sql.end();
    const app = await workbench.serve(modules.get(id) as string, 'cache-aside-process.mts', {
      REDIS_URL: redis.url,
      DATABASE_URL: database.url,
    });
    call = async (name, ...args) =>
      (await app.get(`/${name}?arguments=${encodeURIComponent(JSON.stringify(args))}`)).json();
    await deeds[id]?.();
  });

  test('and all that have a name are tried', () => {
    expect([...modules.keys()].sort()).toEqual(Object.keys(deeds).sort());
  });
});

const TABLES = `
drop table if exists users, products;
create table users (id int primary key, name text not null);
create table products (id serial primary key, name text not null, category text not null, price_cents int not null);
insert into users values (1, 'Ada');
insert into products (name, category, price_cents) values ('pen', 'office', 100), ('cup', 'kitchen', 100)`;
