// What clients see while Redis is killed, frozen, absent, full or read-only.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import express from 'express';
import { type AugmentedRequest, type Options, rateLimit } from 'express-redis-suite/rate-limit';
import { createClient } from 'redis';
import { onTestEnd } from '../support/cleanup.js';
import { type Served, serve } from '../support/http.js';
import { wireTo } from '../support/network.js';
import { connect } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';

async function limited(options: Partial<Options> = {}) {
  const server = await RedisServer.start();
  const client = await connect(server.url);
  const limiter = rateLimit({ client, limit: 4, keyGenerator: () => 'me', ...options });
  return { server, client, limiter, served: await serve(app(limiter)) };
}

function app(limiter: express.RequestHandler): express.Express {
  const app = express().use(limiter);
  app.get('/', (_req, res) => void res.send('yes'));
  return app;
}

async function statuses(served: Served, count: number): Promise<number[]> {
  const seen: number[] = [];
  for (let requests = 0; requests < count; requests += 1) seen.push((await served.get('/')).status);
  return seen;
}

describe('While Redis is killed, the limiter', () => {
  test('limits in this process, and goes on where it stood once Redis is back', async () => {
    const { server, limiter, served } = await limited();
    expect(await statuses(served, 2)).toEqual([200, 200]);
    await server.kill();
    expect(await statuses(served, 6)).toEqual([200, 200, 200, 200, 429, 429]);
    await server.restart();
    const until = performance.now() + 5_000;
    while ((await limiter.consume('other')).source !== 'redis' && performance.now() < until) await sleep(20);
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true, source: 'redis', used: 1 });
  });

  test('takes its share of the limit when other processes do so too', async () => {
    const { server, limiter } = await limited({ limit: 10, expectedProcesses: 3 });
    await server.kill();
    const decisions = [];
    for (let hits = 0; hits < 4; hits += 1) decisions.push(await limiter.consume('me'));
    expect(decisions.map(({ isAllowed }) => isAllowed)).toEqual([true, true, true, false]);
    expect(decisions[0]).toMatchObject({ source: 'memory', limit: 10 });
    expect(await limiter.consume('big', 7)).toMatchObject({ isAllowed: true });
    expect(await limiter.consume('bigger', 11)).toMatchObject({ isAllowed: false, retryAfterMs: Infinity });
  });

  test('shows a client what is left of this process’ share', async () => {
    const { server, served } = await limited({ limit: 10, expectedProcesses: 5 });
    await server.kill();
    const { headers } = await served.get('/');
    expect([headers['x-ratelimit-limit'], headers['x-ratelimit-remaining']]).toEqual(['10', '1']);
  });

  test('shows a request that this process’ share rejects as one too many', async () => {
    const { server, client } = await limited();
    const seen: unknown[] = [];
    const handler: Options['handler'] = (req, res) => {
      seen.push((req as AugmentedRequest).rateLimit);
      res.status(429).end();
    };
    const options = { limit: 10, expectedProcesses: 5, keyGenerator: () => 'me', name: 'shared' };
    const served = await serve(app(rateLimit({ client, ...options, handler })));
    await server.kill();
    expect(await statuses(served, 3)).toEqual([200, 200, 429]);
    expect(seen).toMatchObject([{ limit: 10, used: 11, remaining: 0 }]);
  });

  test('lets everything pass under `open`', async () => {
    const { server, served } = await limited({ onRedisDown: 'open', limit: 1 });
    await server.kill();
    expect(await statuses(served, 5)).toEqual([200, 200, 200, 200, 200]);
  });

  test.each([
    { onRedisDown: 'open' },
    { onRedisDown: 'open', dryRun: true },
    { onRedisDown: 'closed', dryRun: true },
  ] as const)('tells handlers that nothing is known of a client, with %j', async (options) => {
    const { server, client } = await limited();
    const limiter = rateLimit({ client, limit: 3, keyGenerator: () => 'me', name: 'told', ...options });
    const served = await serve(
      express().use(limiter, (req, res) => void res.json((req as AugmentedRequest).rateLimit)),
    );
    await server.kill();
    const reply = await served.get('/');
    expect(reply.json()).toEqual({ limit: 3, used: 0, remaining: 3, key: 'me' });
    expect(reply.headers).not.toHaveProperty('x-ratelimit-limit');
  });

  test('answers 503 with Retry-After: 1 under `closed`, never 429', async () => {
    const { server, served, limiter } = await limited({ onRedisDown: 'closed', limit: 1 });
    await server.kill();
    const reply = await served.get('/');
    expect([reply.status, reply.headers['retry-after']]).toEqual([503, '1']);
    expect(await statuses(served, 3)).toEqual([503, 503, 503]);
    expect(await limiter.consume('me')).toMatchObject({
      isAllowed: false,
      source: 'policy',
      retryAfterMs: 1_000,
    });
    expect(await limiter.peek('me')).toMatchObject({ source: 'policy' });
  });

  test('gives back in this process what was taken in this process', async () => {
    const { server, limiter } = await limited({ limit: 1 });
    await server.kill();
    const { token } = await limiter.consume('me');
    expect(token).toMatchObject({ isLocal: true });
    expect(await limiter.refund(token as NonNullable<typeof token>)).toBe(true);
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true });
  });

  test('fails no refund and no reset that nobody waits for', async () => {
    const { server, limiter } = await limited();
    const { token } = await limiter.consume('me');
    await server.kill();
    expect(await limiter.refund(token as NonNullable<typeof token>)).toBe(false);
    void limiter.resetKey('me');
    await expect(limiter.resetKey('me')).rejects.toMatchObject({ code: 'ERS_REDIS_UNAVAILABLE' });
  });
});

describe('While Redis cannot be reached, the limiter', () => {
  test('limits in this process, and the shared window goes on where it stood', async () => {
    const server = await RedisServer.start();
    const wire = await wireTo(server.port);
    const limiter = rateLimit({ client: await connect(wire.url), limit: 4 });
    await limiter.consume('me', 3);
    // What was on its way is answered before the wire is cut, so that nothing is counted behind our back.
    wire.swallow();
    wire.reset();
    const until = performance.now() + 5_000;
    while ((await limiter.peek('me')).source === 'redis' && performance.now() < until) await sleep(5);
    expect(await limiter.consume('me', 2)).toMatchObject({ isAllowed: true, source: 'memory', used: 2 });
    wire.mend();
    wire.reset();
    while ((await limiter.peek('other')).source !== 'redis' && performance.now() < until) await sleep(20);
    expect(await limiter.consume('me', 2)).toMatchObject({ isAllowed: false, source: 'redis', used: 3 });
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true, source: 'redis', used: 4 });
  });
});

describe('While Redis is frozen, the limiter', () => {
  test('answers within its deadline, soon at once, and uses Redis again when it thaws', async () => {
    const { server, limiter, served } = await limited({ limit: 1_000, deadlineMs: 100 });
    await served.get('/');
    server.freeze();
    const replies = [];
    for (let requests = 0; requests < 20; requests += 1) replies.push(await served.get('/'));
    expect(replies.every(({ status }) => status === 200)).toBe(true);
    expect(Math.max(...replies.map(({ durationMs }) => durationMs))).toBeLessThan(1_000);
    expect(replies.filter(({ durationMs }) => durationMs > 90).length).toBeLessThanOrEqual(5);
    server.thaw();
    const until = performance.now() + 5_000;
    while ((await limiter.consume('me')).source !== 'redis' && performance.now() < until) await sleep(20);
    expect(await limiter.consume('me')).toMatchObject({ source: 'redis' });
  });

  test('gives back later what it could not give back', async () => {
    const { server, limiter } = await limited({ limit: 1, deadlineMs: 100 });
    const { token } = await limiter.consume('me');
    server.freeze();
    expect(await limiter.refund(token as NonNullable<typeof token>)).toBe(false);
    server.thaw();
    const until = performance.now() + 5_000;
    while ((await limiter.peek('me')).used > 0 && performance.now() < until) {
      await limiter.refund(token as NonNullable<typeof token>);
      await sleep(20);
    }
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true, source: 'redis' });
  });

  test.each([
    ['open', [200, 200, 200]],
    ['closed', [503, 503, 503]],
  ] as const)('repeats a denial it knows for a second at most, then all is %s', async (onRedisDown, then) => {
    const { server, served } = await limited({ limit: 1, onRedisDown });
    expect(await statuses(served, 2)).toEqual([200, 429]);
    server.freeze();
    await sleep(1_010);
    expect(await statuses(served, 3)).toEqual(then);
    server.thaw();
  });

  test('repeats a denial it knows', async () => {
    const { server, limiter } = await limited({ limit: 1 });
    await limiter.consume('me');
    await limiter.consume('me');
    server.freeze();
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: false, source: 'denial' });
    server.thaw();
  });
});

describe('When Redis refuses or is not there yet, the limiter', () => {
  test('limits in this process while Redis is out of memory', async () => {
    const { client, served } = await limited();
    await client.configSet({ 'maxmemory-policy': 'noeviction', maxmemory: '1' });
    expect(await statuses(served, 6)).toEqual([200, 200, 200, 200, 429, 429]);
    await client.configSet('maxmemory', '0');
  });

  test('limits in this process while Redis is a replica', async () => {
    const { client, served } = await limited();
    await client.sendCommand(['REPLICAOF', '127.0.0.1', '1']);
    expect(await statuses(served, 6)).toEqual([200, 200, 200, 200, 429, 429]);
    await client.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    expect(await statuses(served, 1)).toEqual([200]);
  });

  test('may be made before the client connects, and uses it once it has', async () => {
    const server = await RedisServer.start();
    const client = createClient({ url: server.url });
    onTestEnd(() => client.isOpen && client.destroy());
    const limiter = rateLimit({ client, limit: 5 });
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true, source: 'memory' });
    await client.connect();
    const until = performance.now() + 5_000;
    while ((await limiter.consume('other')).source !== 'redis' && performance.now() < until) await sleep(20);
    expect(await limiter.consume('me')).toMatchObject({ source: 'redis', used: 1 });
  });
});
