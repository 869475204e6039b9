/** The Redis users of docs/security.md can do what their features need, and nothing else. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import express, { type RequestHandler } from 'express';
import { createCache } from 'express-redis-suite/cache-aside';
import { RedisStore, rateLimit } from 'express-redis-suite/rate-limit';
import { responseCache } from 'express-redis-suite/response-cache';
import { login, logout, RedisSessionStore, sessions } from 'express-redis-suite/session';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import type { RedisClient } from '../../lib/core/client.js';
import { snippetsOf } from '../docs/snippets.js';
import { A_MINUTE, PATIENT, SECRET } from '../session/support.js';
import { onTestEnd } from '../support/cleanup.js';
import { serve } from '../support/http.js';
import { ask } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { eventually } from '../support/until.js';

const PAGE = 'docs/security.md';
const RULE = /^ACL SETUSER (\w+) reset resetchannels on >secret .+$/m;

/** What each of the page's users does all day; rejects where something of it does not work. */
const days: Readonly<Record<string, (client: RedisClient) => Promise<void>>> = {
  'rate-limit': limitAll,
  session: keepSessions,
  'response-cache': cachePages,
  'cache-aside': cacheValues,
};

/** What an intruder who has one of these passwords would like to do. */
const BEYOND = [
  ['FLUSHALL'],
  ['KEYS', '*'],
  ['SCAN', '0'],
  ['CONFIG', 'GET', '*'],
  ['ACL', 'LIST'],
  ['SCRIPT', 'FLUSH'],
  ['EVAL', "return redis.call('UNLINK', KEYS[1])", '1', 'elsewhere'],
  ['EVAL', "return redis.call('FLUSHALL')", '0'],
  ['PUBLISH', 'elsewhere', 'x'],
];

let server: RedisServer;

beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.stop());

describe.each(Object.entries(days))('the user for %s', (feature, spendDay) => {
  const user = RULE.exec(ruleFor(feature))?.[1] ?? '';

  it.each([
    ['node-redis', openNodeRedis],
    ['ioredis', openIoredis],
  ])('does everything with %s, and Redis refuses nothing', async (_name, open) => {
    await prepare(feature);
    await spendDay(await open(user));
    // Everything that is begun behind an answer is done by then.
    await eventually(async () => expect(await ask(server.url, ['DBSIZE'])).toBeGreaterThan(0));
    expect(await refusals()).toEqual([]);
  });

  it('can do nothing else', async () => {
    await prepare(feature);
    const credentials = { username: user, password: 'secret' };
    for (const command of BEYOND) {
      await expect(ask(server.url, command, credentials)).rejects.toThrow(
        /NOPERM|permissions|not allowed|can't run this command/i,
      );
    }
    expect(await refusals()).toHaveLength(BEYOND.length);
  });
});

it('the lines name the commands of the scripts and of the clients, and no others', () => {
  for (const feature of Object.keys(days)) {
    const allowed = [...ruleFor(feature).matchAll(/\+([a-z]+)/g)].map(([, name = '']) => name);
    const memory = feature.endsWith('limit') || feature === 'session' ? [] : ['subscribe'];
    const used = [...OF_CLIENTS, ...memory, ...commandsIn(SOURCES[feature] ?? [])];
    expect([feature, allowed.filter((name) => !used.includes(name))]).toEqual([feature, []]);
    expect([feature, used.filter((name) => !allowed.includes(name))]).toEqual([feature, []]);
  }
});

it('listing sessions, and forgetting all clients of a limiter, take SCAN besides', async () => {
  await prepare('session');
  await prepare('rate-limit');
  for (const user of ['sessions', 'limiter']) await ask(server.url, ['ACL', 'SETUSER', user, '+scan']);
  const store = new RedisSessionStore({ client: await openNodeRedis('sessions'), ...PATIENT });
  await store.set('id', { cookie: { originalMaxAge: A_MINUTE } } as never);
  expect(await store.length()).toBe(1);
  expect(await store.all()).toHaveLength(1);
  await store.clear();
  const limits = new RedisStore({ client: await openNodeRedis('limiter'), namespace: 'shop' });
  limits.init({ windowMs: A_MINUTE, limit: 1 } as never);
  await limits.increment('ada');
  await limits.resetAll();
  expect(await refusals()).toEqual([]);
});

async function prepare(feature: string): Promise<void> {
  await ask(server.url, ['FLUSHALL']);
  await ask(server.url, ['SCRIPT', 'FLUSH']);
  await ask(server.url, ruleFor(feature).split(' '));
  await ask(server.url, ['ACL', 'LOG', 'RESET']);
}

async function refusals(): Promise<string[]> {
  const log = (await ask(server.url, ['ACL', 'LOG'])) as unknown[][];
  // Flat lists of names and values, in turn.
  return log.map((entry) => ['reason', 'object'].map((name) => entry[entry.indexOf(name) + 1]).join(' '));
}

function ruleFor(feature: string): string {
  const snippet = snippetsOf(PAGE).find(({ id }) => id === `acl-${feature}`);
  return snippet?.code.trim() ?? '';
}

async function openNodeRedis(username: string): Promise<RedisClient> {
  const client = createClient({ url: server.url, username, password: 'secret' });
  client.on('error', () => {});
  await client.connect();
  onTestEnd(() => client.destroy());
  return client as unknown as RedisClient;
}

async function openIoredis(username: string): Promise<RedisClient> {
  const client = new Redis(server.port, '127.0.0.1', { username, password: 'secret', lazyConnect: true });
  client.on('error', () => {});
  await client.connect();
  onTestEnd(() => client.disconnect());
  return client;
}

async function limitAll(client: RedisClient): Promise<void> {
  const limiter = rateLimit({
    client,
    namespace: 'shop',
    limit: 2,
    blockMs: A_MINUTE,
    skipFailedRequests: true,
    deadlineMs: 10_000,
  });
  const app = await serve(
    express()
      .use(limiter as RequestHandler)
      .use((req, res) => void res.status(req.path === '/fail' ? 500 : 200).end()),
  );
  const statuses = [];
  for (const path of ['/fail', '/', '/', '/']) statuses.push((await app.get(path)).status);
  expect(statuses).toEqual([500, 200, 200, 429]);
  const { token } = await limiter.consume('job', 2);
  await limiter.refund(token as never);
  expect(await limiter.peek('job')).toMatchObject({ remaining: 2 });
  await limiter.resetKey('127.0.0.1');
  const hourly = rateLimit({ client, namespace: 'shop', name: 'hourly', limit: 10_000, resolution: 10 });
  await hourly.consume('job', 3);
  const store = new RedisStore({ client, namespace: 'shop' });
  store.init({ windowMs: 1_000, limit: 1 } as never);
  await store.increment('ada');
  await store.decrement('ada');
  await store.resetKey('ada');
}

async function keepSessions(client: RedisClient): Promise<void> {
  const session = sessions({
    client,
    secret: SECRET,
    userId: (it) => (it as { user?: string }).user,
    maxSessionsPerUser: 1,
    absoluteTtlMs: A_MINUTE,
    cookie: { maxAge: 10_000 },
    ...PATIENT,
  });
  const app = express().use(session as RequestHandler);
  app.get('/login', async (req, res) => {
    await login(req, { user: 'ada' } as never);
    res.end();
  });
  app.get('/logout', async (req, res) => {
    await logout(req);
    res.end();
  });
  app.get('/cart', (req, res) => {
    Object.assign(req.session, { cart: 'apple' });
    res.end();
  });
  app.get('/', (req, res) => void res.json(req.session));
  const served = await serve(app);
  for (const paths of [
    ['/cart', '/login', '/', '/cart'],
    ['/login', '/'],
    ['/login', '/logout'],
  ]) {
    const browser = served.browser();
    for (const path of paths) expect((await browser.get(path)).status).toBe(200);
  }
  await served.browser().get('/login');
  expect(await session.store.list('ada')).toHaveLength(1);
  expect(await session.store.revokeAll('ada')).toBe(1);
  await session.store.set('forever', { cookie: { originalMaxAge: null } } as never);
  await session.store.touch('forever', { cookie: { originalMaxAge: A_MINUTE } } as never);
  await session.store.destroy('forever');
}

async function cachePages(client: RedisClient): Promise<void> {
  const cache = responseCache({
    client,
    namespace: 'shop',
    ttl: A_MINUTE,
    profile: 'rfc9111',
    folderTags: true,
    maxVariants: 1,
    memory: { maxBytes: 1_000_000 },
    deadlineMs: 10_000,
  });
  const app = express().use(cache as RequestHandler);
  app.get('/private', (_req, res) => void res.set('Cache-Control', 'private').end());
  app.use((req, res) => {
    res.cacheTags('page');
    res.vary('Accept').set('ETag', '"1"').json(req.url);
  });
  const served = await serve(app);
  for (const accept of ['text/html', 'text/plain', 'text/html'])
    expect((await served.get('/a', { accept })).status).toBe(200);
  await served.get('/private');
  await served.send('/a', { method: 'POST' });
  await served.get('/a');
  await eventually(async () => expect((await served.get('/b')).headers['cache-status']).toMatch(/; hit/));
  const url = `http://127.0.0.1:${served.port}`;
  for (const act of [cache.expire, cache.purge, cache.expireBelow, cache.purgeBelow]) await act(`${url}/`);
  await cache.expireTags('page');
  await cache.purgeTags('page');
}

async function cacheValues(client: RedisClient): Promise<void> {
  const memory = { maxBytes: 1_000_000 };
  const cache = createCache({
    client,
    namespace: 'catalogue',
    memory,
    staleMs: A_MINUTE,
    deadlineMs: 10_000,
  });
  const load = () => ({ name: 'apple' });
  for (let times = 0; times < 2; times += 1)
    expect(await cache.getOrLoad('product:1', load, { tags: ['fruit'] })).toEqual(load());
  await cache.loadMany(['product:1', 'product:2'], () => new Map());
  expect(await cache.set('product:3', 3, { tags: ['fruit'] })).toBe(true);
  await cache.write(['product:1', { tags: ['fruit'] }], () => {});
  await cache.writeThrough('product:1', load);
  expect(await cache.get('product:1')).toEqual(load());
  expect(await cache.delete('product:1')).toBe(true);
  await cache.invalidateTags('fruit');
  await expect(cache.getOrLoad('product:4', () => Promise.reject(new Error('no row')))).rejects.toThrow(
    'no row',
  );
}

/** Sent outside of scripts: INFO by ioredis when it connects, PING while Redis is away, TIME by the caches. */
const OF_CLIENTS = ['ping', 'info', 'evalsha', 'eval', 'time'];
/** Words in the scripts that are no commands. */
const NO_COMMANDS = ['LIMIT', 'WITHSCORES', 'WITHVALUES', 'WRONGTYPE'];

const OF_CACHES = [...['hash', 'lease', 'mark', 'read', 'tag'].map((name) => `fill/${name}.lua.ts`)];

const SOURCES: Readonly<Record<string, readonly string[]>> = {
  'rate-limit': ['rate-limit/window.lua.ts', 'rate-limit/refund.lua.ts'],
  session: ['read', 'save', 'touch', 'destroy', 'user-index'].map((name) => `session/${name}.lua.ts`),
  'response-cache': OF_CACHES,
  'cache-aside': OF_CACHES,
};

function commandsIn(files: readonly string[]): string[] {
  const lua = files.map((file) => readFileSync(join(__dirname, '../../lib', file), 'utf8')).join();
  const words = [...lua.matchAll(/'([A-Z]{3,})'/g)].map(([, word = '']) => word);
  return words.filter((word) => !NO_COMMANDS.includes(word)).map((word) => word.toLowerCase());
}
