/** The demo for tests: a database of one's own, the app in this process, and the real program as a child process. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { join } from 'node:path';
import type { Cache } from 'express-redis-suite/cache-aside';
import { collectMetrics } from 'express-redis-suite/metrics';
import postgres from 'postgres';
import { Registry } from 'prom-client';
import { createApp } from '../../demo-app/app.js';
import { openMeter } from '../../demo-app/dashboard/meter.js';
import { openPool, type Sql } from '../../demo-app/database/pool.js';
import { prepareDatabase } from '../../demo-app/database/prepare.js';
import type { RedisClient } from '../../demo-app/database/redis.js';
import { type Events, openEvents } from '../../demo-app/events/events.js';
import { openReportCache } from '../../demo-app/routes/report-page.js';
import { openShopCache } from '../../demo-app/services/shop-cache.js';
import { onTestEnd } from '../support/cleanup.js';
import { type Served, serve, talkTo } from '../support/http.js';
import { type Launched, launch, untilSaid } from '../support/program.js';
import { testDatabaseUrl } from '../support/redis-server.js';
import { until } from '../support/until.js';

const REPOSITORY = join(__dirname, '..', '..');
const READY_WITHIN_MS = 30_000;

export interface Database {
  readonly url: string;
  drop(): Promise<void>;
}

/** An empty database; drop it in `afterAll`. */
export async function freshDatabase(): Promise<Database> {
  const name = `demo_${randomBytes(6).toString('hex')}`;
  await asAdministrator((sql) => sql`create database ${sql(name)}`);
  const url = new URL(testDatabaseUrl());
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: () => asAdministrator((sql) => sql`drop database if exists ${sql(name)} with (force)`),
  };
}

async function asAdministrator(statement: (sql: postgres.Sql) => PromiseLike<unknown>): Promise<void> {
  const sql = postgres(testDatabaseUrl(), { max: 1, onnotice: () => {} });
  await statement(sql);
  await sql.end();
}

export interface Shop extends Database {
  readonly sql: Sql;
  close(): Promise<void>;
}

/** A database with the shop in it and few orders; close it in `afterAll`. */
export async function openShop(orders = 60): Promise<Shop> {
  const database = await freshDatabase();
  const sql = openPool({ databaseUrl: database.url, isBehindPgBouncer: false });
  await prepareDatabase(sql, { orders, log: () => {} });
  return {
    ...database,
    sql,
    async close() {
      await sql.end({ timeout: 1 });
      await database.drop();
    },
  };
}

export interface AppSettings {
  readonly redis?: RedisClient | undefined;
  readonly rateLimit?: number;
  readonly loginRateLimit?: number;
  readonly rateLimitWindowMs?: number;
  readonly redisPid?: number;
  /** Default: its own, as every process has. */
  readonly events?: Events;
  readonly cache?: Cache;
  /** What the app logs, which is nothing when all is well. */
  readonly logged?: string[];
}

/** The app on a free port of this process, until the test ends. */
export async function serveShop(sql: Sql, settings: AppSettings = {}): Promise<Served> {
  const { redis, rateLimit = 1_000_000, loginRateLimit = 1_000_000, logged = [] } = settings;
  const config = {
    rateLimit,
    loginRateLimit,
    rateLimitWindowMs: settings.rateLimitWindowMs ?? 60_000,
    sessionSecrets: ['a secret of this test'],
    redisPid: settings.redisPid,
  };
  const meter = openMeter(redis);
  onTestEnd(meter.close);
  const metrics = new Registry();
  onTestEnd(collectMetrics({ registry: metrics }));
  const events = settings.events ?? (await openEventsUntilTestEnds(redis));
  const log = (line: string) => logged.push(line);
  const cache = settings.cache ?? openShopCache(redis);
  const reportCache = openReportCache(redis);
  return serve(createApp({ config, sql, redis, events, cache, reportCache, meter, metrics, log }));
}

export async function openEventsUntilTestEnds(redis?: RedisClient): Promise<Events> {
  const events = await openEvents(redis);
  onTestEnd(events.close);
  return events;
}

export type Demo = Served & Launched;

type Environment = Readonly<Record<string, string>>;

/** The server that `npm run demo` starts, ended with the test; waits until it says that it listens. */
export async function startDemo(environment: Environment): Promise<Demo> {
  const demo = launchDemo(environment);
  const [, url = ''] = await untilSaid(demo, /^listening on (http:\/\/127\.0\.0\.1:\d+)$/m, READY_WITHIN_MS);
  return { ...talkTo(url), ...demo };
}

/** The same without waiting. */
export function launchDemo(environment: Environment, program: 'server' | 'worker' = 'server'): Launched {
  return launch(['--import', 'tsx', `demo-app/${program}.ts`], {
    cwd: REPOSITORY,
    env: { PATH: process.env.PATH, PORT: '0', DEMO_ORDERS: '60', ...environment },
  });
}

/** A browser's cookies as somebody who copied them would send them. */
export function cookieOf(cookies: ReadonlyMap<string, string>): string {
  return [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
}

/** A browser's EventSource. */
export interface Follower {
  readonly headers: http.IncomingHttpHeaders;
  text(): string;
  /** Name and data of each event so far. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects in it
  events(): readonly [name: string, data: any][];
  isOpen(): boolean;
  stopReading(): void;
  readOn(): void;
  leave(): void;
}

/** Resolves when the stream has begun; it is left when the test ends. */
export async function follow({ url }: Pick<Served, 'url'>, path = '/events'): Promise<Follower> {
  const req = http.get(`${url}${path}`, { agent: false });
  const [res] = (await once(req, 'response')) as [http.IncomingMessage];
  if (res.statusCode !== 200) throw new Error(`${path} answered ${res.statusCode}`);
  let text = '';
  let isOpen = true;
  res.setEncoding('utf8').on('data', (more) => {
    text += more;
  });
  for (const ending of ['close', 'error']) {
    res.on(ending, () => {
      isOpen = false;
    });
  }
  req.on('error', () => {});
  onTestEnd(() => req.destroy());
  await until(() => text !== '');
  return {
    headers: res.headers,
    text: () => text,
    events: () =>
      [...text.matchAll(/^event:(.*)\n(?:id:.*\n)?data:(.*)\n\n/gm)].map(([, name = '', data = '']) => [
        name,
        JSON.parse(data),
      ]),
    isOpen: () => isOpen,
    stopReading: () => void res.pause(),
    readOn: () => void res.resume(),
    leave: () => void req.destroy(),
  };
}
