/** What a request costs that no machine changes: commands sent to Redis, and bytes of a key. They must not rise. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import express from 'express';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { RedisSessionStore, sessions } from 'express-redis-suite/session';
import expressSession from 'express-session';
import { serve } from '../support/http.js';
import { connect, type TestClient } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { commandsDuring, spellCommands } from './redis-view.js';

const REQUESTS = 20;
/** Deadlines are not what is counted here. */
const DEADLINE_MS = 10_000;
const LIMIT = 100;
/** The target is 2,200; this is what it has come down to, and some room for another Redis. */
const BYTES_AT_LIMIT_100 = 1_600;
const BYTES_WITH_RESOLUTION = 4_000;

describe('An app behind the limiter sends Redis', () => {
  test('one command for each allowed request', async () => {
    const { redis, client } = await ownRedis();
    const app = await serve(express().use(rateLimit({ client, limit: LIMIT, deadlineMs: DEADLINE_MS }), ok));
    await app.get('/');
    expect(await perRequest(redis, () => app.get('/'))).toBe('1.00 EVALSHA');
  });

  test('nothing for a denial that is repeated within a second', async () => {
    const { redis, client } = await ownRedis();
    const app = await serve(express().use(rateLimit({ client, limit: 1, deadlineMs: DEADLINE_MS }), ok));
    await app.get('/');
    const startedAt = performance.now();
    const sent = await commandsDuring(redis.url, async () => {
      for (let request = 0; request < REQUESTS; request += 1) expect((await app.get('/')).status).toBe(429);
    });
    expect(sent.length).toBeLessThanOrEqual(Math.ceil((performance.now() - startedAt) / 1_000));
  });
});

test(`A client that has used up a limit of ${LIMIT} takes ${BYTES_AT_LIMIT_100} bytes of Redis at most`, async () => {
  const { client } = await ownRedis();
  const limiter = rateLimit({ client, limit: LIMIT, name: 'bytes', deadlineMs: DEADLINE_MS });
  for (let hit = 0; hit < LIMIT; hit += 1)
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true });
  const bytes = await client.memoryUsage('rl:bytes:{me}', { SAMPLES: 0 });
  expect(bytes).toBeLessThanOrEqual(BYTES_AT_LIMIT_100);
  expect(bytes).toBeGreaterThan(LIMIT);
});

test(`With resolution: 100, one with a limit of 10,000 takes ${BYTES_WITH_RESOLUTION} bytes at most`, async () => {
  const { client } = await ownRedis();
  const policy = { windowMs: 1_000, limit: 10_000, resolution: 100 };
  const limiter = rateLimit({ client, ...policy, name: 'bytes', deadlineMs: DEADLINE_MS });
  // Into as many entries as there can be.
  const until = performance.now() + policy.windowMs;
  for (; performance.now() < until; await sleep(2)) await limiter.consume('me', 10);
  expect(await client.memoryUsage('rl:bytes:{me}', { SAMPLES: 0 })).toBeLessThanOrEqual(
    BYTES_WITH_RESOLUTION,
  );
});

describe.each(['sessions()', 'express-session with RedisSessionStore'])(
  'A session under %s sends Redis',
  (kind) => {
    test('one command for a request that reads it', async () => {
      const { redis, browser } = await loggedIn(kind);
      expect(await perRequest(redis, () => browser.get('/read'))).toBe('1.00 EVALSHA');
    });

    test('two for a request that changes it', async () => {
      const { redis, browser } = await loggedIn(kind);
      expect(await perRequest(redis, () => browser.get('/write'))).toBe('2.00 EVALSHA');
    });
  },
);

async function ownRedis() {
  const redis = await RedisServer.start();
  return { redis, client: await connect(redis.url) };
}

async function perRequest(redis: RedisServer, request: () => Promise<{ status: number }>): Promise<string> {
  const sent = await commandsDuring(redis.url, async () => {
    for (let requests = 0; requests < REQUESTS; requests += 1) expect((await request()).status).toBe(200);
  });
  return spellCommands(sent, REQUESTS);
}

async function loggedIn(kind: string) {
  const { redis, client } = await ownRedis();
  const app = express().use(kind === 'sessions()' ? ours(client) : withStore(client));
  app.get('/read', (req, res) => void res.json(visitsOf(req)));
  app.get('/write', (req, res) => {
    Object.assign(req.session, { visits: visitsOf(req) + 1 });
    res.send('ok');
  });
  const browser = (await serve(app)).browser();
  // Now Redis knows both scripts and the browser its cookie.
  for (const path of ['/write', '/write', '/read']) expect((await browser.get(path)).status).toBe(200);
  return { redis, browser };
}

function ours(client: TestClient): express.RequestHandler {
  return sessions({ client, secret: 'only for this test', deadlineMs: DEADLINE_MS });
}

function withStore(client: TestClient): express.RequestHandler {
  const store = new RedisSessionStore({ client, deadlineMs: DEADLINE_MS });
  return expressSession({ store, secret: 'only for this test', resave: false, saveUninitialized: false });
}

function visitsOf(req: express.Request): number {
  return (req.session as { visits?: number }).visits ?? 0;
}

function ok(_req: express.Request, res: express.Response): void {
  res.send('ok');
}
