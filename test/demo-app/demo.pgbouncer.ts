/** `npm run test:pgbouncer`: the demo behind a real PgBouncer in transaction mode, where a connection to Postgres is lent for one transaction at a time. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import postgres from 'postgres';
import { runModule } from '../setup/program.js';
import { onTestEnd } from '../support/cleanup.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { type Database, freshDatabase, launchDemo, startDemo } from './support.js';

const START = `
  import { findPgBouncer, startPgBouncer } from './pgbouncer.mjs';
  const program = await findPgBouncer();
  if (!program) throw new Error('there is no PgBouncer');
  const { url } = await startPgBouncer(program, process.env.TEST_DATABASE_URL);
  console.log('url', url);
  setInterval(() => {}, 1000);
`;

describe('behind PgBouncer', () => {
  let database: Database;
  let url: string;
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    const [, started = ''] = await runModule(START).prints(/url (\S+)\n/);
    const pooled = new URL(started);
    pooled.pathname = new URL(database.url).pathname;
    url = pooled.href;
  });

  test('every route works, in two processes under load, and the worker too', async () => {
    const server = await RedisServer.start();
    const environment = {
      DATABASE_URL: url,
      DATABASE_DIRECT_URL: database.url,
      REDIS_URL: server.url,
      RATE_LIMIT: '1000000',
      SESSION_SECRET: 'a secret of these tests',
    };
    const [one, other] = await Promise.all([startDemo(environment), startDemo(environment)]);
    const worker = launchDemo(environment, 'worker');
    await until(() => worker.output().includes('listening to what happens'), 30_000);
    const browser = one.browser();
    expect(
      (await browser.send('/api/login', { body: { email: 'ada@example.com', password: 'demo' } })).status,
    ).toBe(200);

    const turns = Array.from({ length: 20 }, (_, index) => index + 1);
    const replies = await Promise.all(
      turns.flatMap((id) => [
        one.get(`/api/products/${id}`),
        other.get(`/api/products?turn=${id}`),
        other.get(`/api/users/${1 + (id % 10)}`),
        one.send(`/api/products/${id}/price`, { method: 'PUT', body: { price: id } }),
        other.send(`/api/users/${1 + (id % 10)}`, { method: 'PATCH', body: { name: `Name ${id}` } }),
        browser.send('/api/orders', { body: { items: [{ productId: id, quantity: 1 }] } }),
        other.get('/api/reports/monthly-revenue'),
      ]),
    );
    expect(replies.map(({ status }) => status).filter((status) => status !== 200 && status !== 201)).toEqual(
      [],
    );
    const sql = connectTo(database.url);
    await until(async () => {
      const notified = await sql`
        select from notifications join orders on orders.id = order_id where user_id = 1 and orders.id > 60`;
      return notified.length === turns.length;
    });
    // Past the pooler, and heard of past it.
    await sql`update products set price = 77.25 where id = 30`;
    await until(async () => (await one.get('/api/products/30')).json().price === 77.25);
    for (const process of [one, other, worker]) process.signal('SIGTERM');
    expect(await Promise.all([one.ended(), other.ended(), worker.ended()])).toEqual([0, 0, 0]);
  }, 90_000);

  test('it is in transaction mode, with fewer connections than clients', async () => {
    const sql = connectTo(url);
    const backends = await Promise.all(
      Array.from(
        { length: 10 },
        () => sql<{ pid: number }[]>`select pg_backend_pid() as pid, pg_sleep(0.05)`,
      ),
    );
    expect(new Set(backends.map(([row]) => row?.pid)).size).toBeLessThan(10);
    const console = new URL(url);
    console.pathname = '/pgbouncer';
    const pools = await connectTo(console.href).unsafe('show pools').simple();
    expect(pools.find(({ database: name }) => url.endsWith(`/${name}`))).toMatchObject({
      pool_mode: 'transaction',
    });
  });

  function connectTo(to: string): postgres.Sql {
    const sql = postgres(to, { prepare: false, fetch_types: false, onnotice: () => {} });
    onTestEnd(() => sql.end({ timeout: 1 }));
    return sql;
  }
});
