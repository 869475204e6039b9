/** The shop's database: made once however many processes start, whole or not at all, and fit for what later runs on it. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openPool, type Sql } from '../../demo-app/database/pool.js';
import { prepareDatabase } from '../../demo-app/database/prepare.js';
import { onTestEnd } from '../support/cleanup.js';
import { type Database, freshDatabase, openShop, type Shop } from './support.js';

const quietly = { orders: 60, log: () => {} };

describe('the prepared database', () => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await openShop(600);
  });
  afterAll(() => shop.close());

  test('holds the orders asked for, each with lines that add up to its total', async () => {
    const [orders] = await shop.sql`select count(*)::integer as count from orders`;
    const wrong = await shop.sql`
      select orders.id from orders left join order_items on order_id = orders.id
      group by orders.id having total is distinct from sum(quantity * price)
    `;
    expect(orders?.count).toBe(600);
    expect(wrong).toHaveLength(0);
  });

  test('has orders from two years ago until now, and none in the future', async () => {
    const [row] = await shop.sql`
      select min(placed_at) > now() - interval '731 days' as "isRecent", max(placed_at) <= now() as "isPast",
        count(distinct date_trunc('month', placed_at))::integer as months
      from orders
    `;
    expect(row).toMatchObject({ isRecent: true, isPast: true });
    expect(row?.months).toBeGreaterThanOrEqual(20);
  });

  test('gives the next order the next number', async () => {
    const [order] = await shop.sql`insert into orders (total) values (1) returning id`;
    expect(order?.id).toBe(601);
    await shop.sql`delete from orders where id = 601`;
  });

  test('allows one active account per address, in any spelling, beside closed ones', async () => {
    const insert = (email: string, isActive: boolean) =>
      shop.sql`insert into users (email, name, is_active) values (${email}, 'Somebody', ${isActive})`;
    await expect(insert('ADA@Example.com', true)).rejects.toMatchObject({ code: '23505' });
    await expect(insert('ADA@Example.com', false)).resolves.toHaveLength(0);
  });

  test('looks for active accounts through the partial index', async () => {
    const plan = await shop.sql.begin(async (sql) => {
      await sql`set local enable_seqscan = off`;
      return sql`explain select id from users where lower(email) = lower('ada@example.com') and is_active`;
    });
    expect(JSON.stringify(plan)).toContain('users_active_email');
  });

  test('keeps salted hashes, of which no two are equal though the passwords are', async () => {
    const hashes = await shop.sql<{ hash: string }[]>`
      select password_hash as hash from users where password_hash is not null
    `;
    expect(hashes.length).toBeGreaterThanOrEqual(10);
    expect(new Set(hashes.map(({ hash }) => hash)).size).toBe(hashes.length);
    expect(JSON.stringify(hashes)).not.toContain('demo');
  });

  test('has a revenue view that can be refreshed while it is read', async () => {
    const sum = async () =>
      (await shop.sql`select sum(orders)::integer as count from monthly_revenue`)[0]?.count;
    const before = await sum();
    await shop.sql`update orders set status = 'cancelled' where id = 5`;
    await shop.sql`refresh materialized view concurrently monthly_revenue`;
    expect(await sum()).toBe(before - 1);
  });
});

describe('preparing a database', () => {
  let database: Database;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.drop());

  test('by several processes at once fills it once', async () => {
    const pools = [connect(database), connect(database), connect(database), connect(database, true)];
    await Promise.all(pools.map((sql) => prepareDatabase(sql, quietly)));
    expect(await count(pools[0] as Sql)).toEqual({ orders: 60, products: 50, users: 1012 });
  });

  test('again changes nothing, whatever number of orders is asked for now', async () => {
    const sql = connect(database);
    await sql`update products set price = 1.23 where id = 1`;
    await prepareDatabase(sql, { ...quietly, orders: 5000 });
    expect(await count(sql)).toEqual({ orders: 60, products: 50, users: 1012 });
    expect(await sql`select price from products where id = 1`).toMatchObject([{ price: 1.23 }]);
  });

  test('that belongs to somebody else is refused in one clear line, with nothing changed', async () => {
    const other = await freshDatabase();
    onTestEnd(other.drop);
    const sql = connect(other);
    await sql`create table orders (whatever text)`;
    await expect(prepareDatabase(sql, quietly)).rejects.toThrow(
      /tables of another program .*"orders".* database of its own/,
    );
    const tables = await sql`select tablename from pg_tables where schemaname = 'public'`;
    expect([...tables]).toEqual([{ tablename: 'orders' }]);
  });

  test.each([0, 1, 300_000])('with %i orders works', async (orders) => {
    const other = await freshDatabase();
    onTestEnd(other.drop);
    const sql = connect(other);
    await prepareDatabase(sql, { ...quietly, orders });
    expect(await count(sql)).toMatchObject({ orders });
  });

  test('that dies half-way leaves nothing behind', async () => {
    const other = await freshDatabase();
    onTestEnd(other.drop);
    const sql = connect(other);
    const die = () => {
      throw new Error('no space left');
    };
    const dieLater = { orders: 40_000, log: (line: string) => (line.includes('20,000') ? die() : undefined) };
    await expect(prepareDatabase(sql, dieLater)).rejects.toThrow('no space left');
    expect(await sql`select from pg_tables where schemaname = 'public'`).toHaveLength(0);
    await prepareDatabase(sql, quietly);
    expect(await count(sql)).toMatchObject({ orders: 60 });
  });
});

function connect(database: Database, isBehindPgBouncer = false): Sql {
  const sql = openPool({ databaseUrl: database.url, isBehindPgBouncer });
  onTestEnd(() => sql.end({ timeout: 1 }));
  return sql;
}

async function count(sql: Sql): Promise<unknown> {
  const [counts] = await sql`
    select (select count(*)::integer from orders) as orders,
      (select count(*)::integer from products) as products,
      (select count(*)::integer from users) as users
  `;
  return counts;
}
