// Requests that are given back: skipFailedRequests and skipSuccessfulRequests.
import http from 'node:http';
import { describe, expect, test } from '@jest/globals';
import express, { type Response } from 'express';
import { type Options, type RateLimiter, rateLimit } from 'express-redis-suite/rate-limit';
import { type Served, serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';

const KEY = 'me';

async function limited(options: Partial<Options>): Promise<{ limiter: RateLimiter; served: Served }> {
  const limiter = rateLimit({ limit: 5, keyGenerator: () => KEY, ...options });
  const app = express().use(limiter);
  app.get('/ok', (_req, res) => void res.send('ok'));
  app.get('/fail', (_req, res) => void res.status(500).send('no'));
  app.get('/hang', () => {});
  app.get('/break', (_req, res: Response) => void res.destroy(new Error('broken')));
  app.get('/late', (_req, res) => void setTimeout(() => res.status(500).end(), 150));
  return { limiter, served: await serve(app) };
}

async function used(limiter: RateLimiter): Promise<number> {
  return (await limiter.peek(KEY)).used;
}

/** The refund follows the response, so it may take a moment to show. */
async function eventuallyUsed(limiter: RateLimiter, expected: number): Promise<void> {
  const until = performance.now() + 2_000;
  while ((await used(limiter)) !== expected && performance.now() < until)
    await new Promise((resolve) => setTimeout(resolve, 10));
  expect(await used(limiter)).toBe(expected);
}

const windows: [string, () => Promise<Partial<Options>>][] = [
  ['Redis', async () => ({ client: await connect(), namespace: uniqueNamespace(), deadlineMs: 5_000 })],
  ['this process', async () => ({})],
];

describe.each(windows)('With hits in %s, a limiter that skips failed requests', (_place, where) => {
  test('gives a failed request back, and keeps a successful one', async () => {
    const { limiter, served } = await limited({ ...(await where()), skipFailedRequests: true });
    await served.get('/ok');
    await served.get('/fail');
    await served.get('/fail');
    await eventuallyUsed(limiter, 1);
  });

  test('gives back a request whose client left or whose response broke', async () => {
    const { limiter, served } = await limited({ ...(await where()), skipFailedRequests: true });
    const request = http.get(`${served.url}/hang`);
    request.on('error', () => {});
    await eventuallyUsed(limiter, 1);
    request.destroy();
    await eventuallyUsed(limiter, 0);
    await served.get('/break').catch(() => {});
    await eventuallyUsed(limiter, 0);
  });

  test('gives back a request whose client left before it was counted', async () => {
    const { limiter, served } = await limited({
      ...(await where()),
      skipFailedRequests: true,
      skip: () => new Promise((resolve) => setTimeout(() => resolve(false), 80)),
    });
    const request = http.get(`${served.url}/hang`);
    request.on('error', () => {});
    await new Promise((resolve) => setTimeout(resolve, 30));
    request.destroy();
    await new Promise((resolve) => setTimeout(resolve, 120));
    await eventuallyUsed(limiter, 0);
  });

  test('gives back a request whose client left before it came to the limiter', async () => {
    const limiter = rateLimit({ ...(await where()), keyGenerator: () => KEY, skipFailedRequests: true });
    const app = express();
    const arrived = new Promise<void>((resolve) => {
      app.use((_req, res, next) => {
        res.once('close', () => next());
        resolve();
      }, limiter);
    });
    const counted = new Promise<void>((resolve) => app.use(() => resolve()));
    const request = http.get((await serve(app)).url);
    request.on('error', () => {});
    await arrived;
    request.destroy();
    await counted;
    await eventuallyUsed(limiter, 0);
  });

  test('gives nothing back after the hit has left, and never more than was taken', async () => {
    const { limiter, served } = await limited({
      ...(await where()),
      skipFailedRequests: true,
      windowMs: 100,
    });
    const late = served.get('/late');
    await new Promise((resolve) => setTimeout(resolve, 120));
    await served.get('/ok');
    await late;
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await used(limiter)).toBeLessThanOrEqual(1);
    await eventuallyUsed(limiter, 0);
  });

  test('judges by requestWasSuccessful, and logs when that throws', async () => {
    const logged: unknown[] = [];
    const logger = { error: (error: unknown) => logged.push(error), warn: () => {} };
    const { limiter, served } = await limited({
      ...(await where()),
      logger,
      skipFailedRequests: true,
      requestWasSuccessful: (req) => {
        if (req.path === '/fail') throw new Error('cannot tell');
        return false;
      },
    });
    await served.get('/ok');
    await eventuallyUsed(limiter, 0);
    await served.get('/fail');
    await eventuallyUsed(limiter, 1);
    expect(logged).toEqual([expect.objectContaining({ message: 'cannot tell' })]);
  });
});

describe.each(windows)('With hits in %s, a limiter that skips successful requests', (_place, where) => {
  test('gives a successful request back, and keeps a failed or broken one', async () => {
    const { limiter, served } = await limited({ ...(await where()), skipSuccessfulRequests: true });
    await served.get('/fail');
    await served.get('/ok');
    await served.get('/break').catch(() => {});
    await eventuallyUsed(limiter, 2);
  });

  test('gives every request back when it skips failed ones as well', async () => {
    const both = { skipSuccessfulRequests: true, skipFailedRequests: true };
    const { limiter, served } = await limited({ ...(await where()), ...both });
    for (const path of ['/ok', '/fail', '/ok']) await served.get(path);
    await eventuallyUsed(limiter, 0);
  });
});

describe.each(windows)('With hits in %s, a limiter that counts rejected requests', (_place, where) => {
  test('gives none of them back, which would let in more than the limit', async () => {
    const options = { limit: 1, countRejected: true, skipFailedRequests: true };
    const { limiter, served } = await limited({ ...(await where()), ...options });
    const statuses: number[] = [];
    for (let tries = 0; tries < 4; tries += 1) {
      statuses.push((await served.get('/ok')).status);
      // A refund would follow the response.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(statuses).toEqual([200, 429, 429, 429]);
    expect(await limiter.consume(KEY)).not.toHaveProperty('token');
  });

  test('says of each rejection what was counted', async () => {
    const limiter = rateLimit({ ...(await where()), limit: 2, keyGenerator: () => KEY, countRejected: true });
    const told: unknown[] = [];
    const app = express().use((req, res, next) => {
      res.on('finish', () => told.push((req as unknown as { rateLimit: { used: number } }).rateLimit.used));
      next();
    }, limiter);
    app.get('/', (_req, res) => void res.send('ok'));
    const served = await serve(app);
    for (let tries = 0; tries < 4; tries += 1) await served.get('/');
    expect(told).toEqual([1, 2, 3, 3]);
  });
});
