/** What the limiter costs that no machine changes: commands and waits for Redis, bytes of a key. They must not rise. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import express from 'express';
import { type Options, rateLimit } from 'express-redis-suite/rate-limit';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { counted } from './counting.js';

/** The target is 2,200; this is what it has come down to, and some room for another Redis. */
const BYTES_AT_LIMIT_100 = 1_600;
const BYTES_WITH_RESOLUTION = 4_000;

async function limiting() {
  const redis = await connect();
  const { client, during } = counted(redis);
  const namespace = uniqueNamespace();
  const limiterOf = (options: Partial<Options>) =>
    rateLimit({ client, namespace, name: 'counted', deadlineMs: 10_000, ...options });
  // Redis knows both scripts from here on.
  const warm = limiterOf({ name: 'warm' });
  await warm.refund((await warm.consume('me')).token!);
  const appWith = (...limiters: ReturnType<typeof limiterOf>[]) =>
    serve(
      express()
        .use(...limiters)
        .use((req, res) => void res.sendStatus(req.path === '/bad' ? 400 : 200)),
    );
  return { redis, namespace, limiterOf, during, appWith };
}

describe('A request under the limiter asks Redis for', () => {
  test('one command when it is allowed', async () => {
    const { limiterOf, during, appWith } = await limiting();
    const app = await appWith(limiterOf({ standardHeaders: 'draft-8' }));
    expect(await during(() => app.get('/'))).toBe('1 evalSha in 1 round trip');
  });

  test('one when it is the first to be denied, and nothing when that is repeated', async () => {
    const { limiterOf, during, appWith } = await limiting();
    const app = await appWith(limiterOf({ limit: 1 }));
    await app.get('/');
    expect(await during(() => app.get('/'))).toBe('1 evalSha in 1 round trip');
    expect(await during(() => app.get('/'))).toBe('nothing');
  });

  test('one for several windows, and one for each limiter', async () => {
    const { limiterOf, during, appWith } = await limiting();
    const limits = [
      { windowMs: 1_000, limit: 5 },
      { windowMs: 60_000, limit: 50 },
    ];
    const several = await appWith(limiterOf({ limits }));
    expect(await during(() => several.get('/'))).toBe('1 evalSha in 1 round trip');
    const two = await appWith(limiterOf({ name: 'one' }), limiterOf({ name: 'another' }));
    expect(await during(() => two.get('/'))).toBe('2 evalSha in 2 round trips');
  });

  test('a second one when it is given back', async () => {
    const { limiterOf, during, appWith } = await limiting();
    const app = await appWith(limiterOf({ skipFailedRequests: true }));
    expect(await during(() => app.get('/'))).toBe('1 evalSha in 1 round trip');
    const givenBack = during(async () => {
      await app.get('/bad');
      await sleep(50);
    });
    expect(await givenBack).toBe('2 evalSha in 2 round trips');
  });
});

test('Without HTTP each call is one command', async () => {
  const { limiterOf, during } = await limiting();
  const limiter = limiterOf({ limit: 10 });
  const { token } = await limiter.consume('me');
  const calls = {
    consume: () => limiter.consume('me', 3),
    peek: () => limiter.peek('me'),
    getKey: async () => limiter.getKey('me'),
    refund: () => limiter.refund(token!),
  };
  for (const [name, call] of Object.entries(calls))
    expect([name, await during(call)]).toEqual([name, '1 evalSha in 1 round trip']);
  expect(await during(() => limiter.resetKey('me'))).toBe('1 unlink in 1 round trip');
});

test(`A client that has used up a limit of 100 takes ${BYTES_AT_LIMIT_100} bytes of Redis at most`, async () => {
  const { redis, namespace, limiterOf } = await limiting();
  const limiter = limiterOf({ limit: 100 });
  for (let hit = 0; hit < 100; hit += 1)
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true });
  const bytes = await redis.memoryUsage(`${namespace}:rl:counted:{me}`, { SAMPLES: 0 });
  expect(bytes).toBeLessThanOrEqual(BYTES_AT_LIMIT_100);
  expect(bytes).toBeGreaterThan(100);
});

test(`With resolution: 100, one with a limit of 10,000 takes ${BYTES_WITH_RESOLUTION} bytes at most`, async () => {
  const { redis, namespace, limiterOf } = await limiting();
  const windowMs = 1_000;
  const limiter = limiterOf({ windowMs, limit: 10_000, resolution: 100 });
  // Into as many entries as there can be.
  const until = performance.now() + windowMs;
  for (; performance.now() < until; await sleep(2)) await limiter.consume('me', 10);
  const bytes = await redis.memoryUsage(`${namespace}:rl:counted:{me}`, { SAMPLES: 0 });
  expect(bytes).toBeLessThanOrEqual(BYTES_WITH_RESOLUTION);
  expect(bytes).toBeGreaterThan(100);
});
