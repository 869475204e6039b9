/** What Postgres does by itself, and what a cache on Redis adds: the demo's own queries, with and without. */
import { type Cache, createCache } from 'express-redis-suite/cache-aside';
import { openPool, type Sql } from '../../../demo-app/database/pool.js';
import { prepareDatabase } from '../../../demo-app/database/prepare.js';
import { openRedis, type RedisClient } from '../../../demo-app/database/redis.js';
import { monthlyRevenue } from '../../../demo-app/database/schema.js';
import { createProducts } from '../../../demo-app/services/products.js';
import { createReports } from '../../../demo-app/services/reports.js';
import { findActive } from '../../../demo-app/services/users.js';
import type { Extra, Plan, Stage } from '../plan.js';
import { type Cost, costsOf, type Way } from './effort.js';
import { countWhatIsHeard } from './forgetting.js';

const EFFORT = { rounds: 0, requestsPerRound: 0, warmUpRequests: 0, connections: 0 };
const CUSTOMERS = 200_000;
const EMAIL = 'customer123457@bench.example';

export const postgresPlan: Plan = {
  name: 'postgres',
  about:
    'The queries of the demo as its handlers run them, without and with a cache on Redis, in one process.',
  effort: { full: EFFORT, quick: EFFORT },
  scenarios: [],
  floor: '',
  peer: '',
  contenders: async () => [],
  extras: measureAll,
  judge: () => [],
};

/** Prices are told to nobody. */
const silent = { publish() {} };

/** The same services without a cache. */
const noCache = {
  getOrLoad: (_key: string, load: () => unknown) => load(),
  writeThrough: (_key: string, change: () => unknown) => change(),
} as unknown as Cache;

async function measureAll({ redisUrl, isQuick, say }: Stage): Promise<Extra[]> {
  const { BENCH_DATABASE_URL: databaseUrl = '', BENCH_POSTGRES_PID } = process.env;
  const orders = isQuick ? 20_000 : 200_000;
  const rounds = isQuick ? 2 : 5;
  const sql = openPool({ databaseUrl, isBehindPgBouncer: false });
  const withoutIndex = openPool({
    databaseUrl: `${databaseUrl}?enable_indexscan=off&enable_bitmapscan=off`,
    isBehindPgBouncer: false,
  });
  const redis = await openRedis(redisUrl, say);
  say(`${orders.toLocaleString('en')} orders and ${CUSTOMERS.toLocaleString('en')} customers`);
  await prepareDatabase(sql, { orders, log: say });
  await sql`
    insert into users (name, email, is_active)
    select 'Customer ' || n, 'customer' || n || '@bench.example', n % 10 <> 0
    from generate_series(1, ${CUSTOMERS}::integer) as n
  `;
  await sql`vacuum analyze`;
  const cache = createCache({ client: redis, namespace: 'bench', ttlMs: 3_600_000 });
  const servers = { redis, postgresPid: Number(BENCH_POSTGRES_PID) };

  try {
    say('reads');
    const reads = await costsOf(readsOf(sql, withoutIndex, cache), rounds, servers);
    say('writes');
    const writes = await costsOf(writesOf(sql, cache), rounds, servers);
    say('the view');
    const refreshes = await costsOf(refreshesOf(sql), Math.ceil(rounds / 3), servers);
    say('pub/sub');
    const heard = await countWhatIsHeard(redis);
    const title = await titleOf(sql, orders);
    return [
      { title: `reads (${title})`, rows: rowsOf(reads), figures: {} },
      { title: 'a new price', rows: rowsOf(writes), figures: {} },
      { title: 'making the report new', rows: rowsOf(refreshes), figures: {} },
      { title: 'sizes', rows: await sizes(sql, redis), figures: {} },
      {
        title: `${heard.sent} messages, the listener restarted ${heard.restarts} times, ${heard.awayMs} ms each`,
        rows: [
          ['', 'heard', 'lost'],
          ['pub/sub', String(heard.byPubSub), String(heard.sent - heard.byPubSub)],
          [
            'a stream, read on from the last one',
            String(heard.fromStream),
            String(heard.sent - heard.fromStream),
          ],
        ],
        figures: { lostByPubSub: heard.sent - heard.byPubSub, lostByStream: heard.sent - heard.fromStream },
      },
    ];
  } finally {
    await Promise.all([sql.end({ timeout: 1 }), withoutIndex.end({ timeout: 1 })]);
    redis.destroy();
  }
}

function readsOf(sql: Sql, withoutIndex: Sql, cache: Cache): Way[] {
  const reports = createReports(sql);
  const addUp = () => sql`${monthlyRevenue(sql)} order by month`;
  return [
    {
      query: 'a product by its id',
      way: 'Postgres, primary key',
      run: () => createProducts(sql, noCache, silent).find(7),
    },
    { query: 'a product by its id', way: 'cached', run: () => createProducts(sql, cache, silent).find(7) },
    {
      query: 'an active account by its e-mail',
      way: 'Postgres, no index',
      run: () => findActive(withoutIndex, EMAIL),
    },
    {
      query: 'an active account by its e-mail',
      way: 'Postgres, partial index',
      run: () => findActive(sql, EMAIL),
    },
    {
      query: 'an active account by its e-mail',
      way: 'cached',
      run: () => cache.getOrLoad(`email:${EMAIL}`, () => findActive(sql, EMAIL)),
    },
    { query: 'revenue by month', way: 'Postgres, added up', run: async () => addUp() },
    { query: 'revenue by month', way: 'Postgres, materialized view', run: () => reports.monthlyRevenue() },
    {
      query: 'revenue by month',
      way: 'added up, cached',
      run: () => cache.getOrLoad('revenue', async () => [...(await addUp())]),
    },
  ];
}

function writesOf(sql: Sql, cache: Cache): Way[] {
  const plain = createProducts(sql, noCache, silent);
  const through = createProducts(sql, cache, silent);
  let turn = 0;

  /** One product after the other, so that no write waits for another one. */
  function way(query: string, name: string, change: (id: number, price: number) => Promise<unknown>): Way {
    return {
      query,
      way: name,
      run() {
        turn += 1;
        return change(1 + (turn % 50), 1 + (turn % 1000));
      },
    };
  }
  const write = (id: number, price: number) => cache.write(`product:${id}`, () => plain.setPrice(id, price));
  return [
    way('a price', 'update alone', (id, price) => plain.setPrice(id, price)),
    way('a price', 'write', write),
    way('a price', 'writeThrough', (id, price) => through.setPrice(id, price)),
    way('a price, and the next read', 'write', (id, price) => write(id, price).then(() => through.find(id))),
    way('a price, and the next read', 'writeThrough', (id, price) =>
      through.setPrice(id, price).then(() => through.find(id)),
    ),
  ];
}

function refreshesOf(sql: Sql): Way[] {
  const query = 'monthly_revenue';
  return [
    { query, way: 'refresh', run: async () => sql`refresh materialized view monthly_revenue` },
    { query, way: 'refresh concurrently', run: () => createReports(sql).refreshMonthlyRevenue() },
  ];
}

function rowsOf(costs: readonly Cost[]): string[][] {
  const head = [
    '',
    '',
    'ms, one at a time: median',
    'middle half',
    'slowest',
    'a second, 16 at a time',
    'CPU us each: app',
    'Postgres',
    'Redis',
    'all',
  ];
  return [
    head,
    ...costs.map(
      ({ way: { query, way }, oneMs, slowestMs, perSecond, cpuMicros: { app, postgres, redis } }) => [
        query,
        way,
        oneMs.median.toFixed(2),
        `${oneMs.lower.toFixed(2)}-${oneMs.upper.toFixed(2)}`,
        slowestMs.toFixed(1),
        perSecond.median.toFixed(perSecond.median < 100 ? 1 : 0),
        app.toFixed(0),
        postgres?.toFixed(0) ?? 'not measured',
        redis.toFixed(0),
        postgres === undefined ? '' : (app + postgres + redis).toFixed(0),
      ],
    ),
  ];
}

async function sizes(sql: Sql, redis: RedisClient): Promise<string[][]> {
  await sql`reindex index users_active_email`;
  await sql`create unique index users_email_all on users (lower(email), id)`;
  const [row] = await sql<{ partial: number; whole: number; view: number; orders: number }[]>`
    select pg_relation_size('users_active_email')::float8 as partial, pg_relation_size('users_email_all')::float8 as whole,
      pg_total_relation_size('monthly_revenue')::float8 as view,
      (pg_total_relation_size('orders') + pg_total_relation_size('order_items'))::float8 as orders
  `;
  const kilobytes = (bytes = 0) => `${(bytes / 1024).toFixed(0)} KB`;
  return [
    ['index on the addresses of active accounts', kilobytes(row?.partial)],
    ['the same over all accounts', kilobytes(row?.whole)],
    ['orders and their lines, with indexes', kilobytes(row?.orders)],
    ['monthly_revenue, with its index', kilobytes(row?.view)],
    ['a cached product in Redis', `${await redis.memoryUsage('bench:product:9')} bytes`],
  ];
}

async function titleOf(sql: Sql, orders: number): Promise<string> {
  const [row] = await sql<{ version: string }[]>`select current_setting('server_version') as version`;
  return `Postgres ${row?.version}, ${orders.toLocaleString('en')} orders, ${CUSTOMERS.toLocaleString('en')} customers`;
}
