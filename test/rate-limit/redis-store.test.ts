// RedisStore: the exact window behind express-rate-limit itself, and behind express-slow-down.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import express from 'express';
import * as theirs from 'express-rate-limit';
import { RedisStore, type RedisStoreOptions } from 'express-redis-suite/rate-limit';
import { slowDown } from 'express-slow-down';
import { type Served, serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';

async function newStore(options: Partial<RedisStoreOptions> = {}) {
  const client = await connect();
  const namespace = uniqueNamespace();
  return { client, namespace, store: new RedisStore({ client, namespace, deadlineMs: 5_000, ...options }) };
}

function limitedBy(limiter: express.RequestHandler): Promise<Served> {
  const app = express().use(limiter);
  app.get('/fail', (_req, res) => void res.status(500).send('no'));
  app.get('/', (_req, res) => void res.send('yes'));
  return serve(app);
}

async function statuses(served: Served, path: string, count: number): Promise<number[]> {
  const seen: number[] = [];
  for (let requests = 0; requests < count; requests += 1) seen.push((await served.get(path)).status);
  return seen;
}

describe('express-rate-limit on RedisStore', () => {
  test('limits over a sliding window, and shares it between limiters on one Redis', async () => {
    const { client, namespace, store } = await newStore();
    const other = new RedisStore({ client: await connect(), namespace, deadlineMs: 5_000 });
    const options = { limit: 3, windowMs: 60_000, standardHeaders: 'draft-8' } as const;
    const one = await limitedBy(theirs.rateLimit({ ...options, store }));
    const two = await limitedBy(theirs.rateLimit({ ...options, store: other }));
    expect(await statuses(one, '/', 2)).toEqual([200, 200]);
    expect(await statuses(two, '/', 3)).toEqual([200, 429, 429]);
    const denied = await one.get('/');
    expect(denied.headers.ratelimit).toMatch(/r=0; t=(59|60)$/);
    expect(await client.exists(`${namespace}:rl:3-in-1min:{127.0.0.1}`)).toBe(1);
  });

  test('finds a name for windows that are long to spell', async () => {
    const { store } = await newStore();
    const served = await limitedBy(theirs.rateLimit({ limit: 1_000_001, windowMs: 1e8, store }));
    expect(await statuses(served, '/', 1)).toEqual([200]);
  });

  test('admits no double share around the end of a window', async () => {
    const { store } = await newStore();
    const served = await limitedBy(theirs.rateLimit({ limit: 4, windowMs: 2_000, store }));
    expect(await statuses(served, '/', 1)).toEqual([200]);
    await sleep(1_200);
    expect(await statuses(served, '/', 4)).toEqual([200, 200, 200, 429]);
    await sleep(820);
    expect(await statuses(served, '/', 3)).toEqual([200, 429, 429]);
  });

  test('lets who keeps trying in again when a hit leaves', async () => {
    const { store } = await newStore();
    const served = await limitedBy(theirs.rateLimit({ limit: 1, windowMs: 300, store }));
    await statuses(served, '/', 5);
    await sleep(310);
    expect(await statuses(served, '/', 2)).toEqual([200, 429]);
  });

  test('counts every hit where the limit is a function, in a bounded number of entries', async () => {
    const { client, namespace, store } = await newStore({ resolution: 10, name: 'plans' });
    const limit = (req: express.Request) => (req.query.plan === 'big' ? 30 : 2);
    const served = await limitedBy(theirs.rateLimit({ limit, windowMs: 60_000, store }));
    expect(await statuses(served, '/', 20)).toEqual([200, 200, ...Array(18).fill(429)]);
    expect(await statuses(served, '/?plan=big', 11)).toEqual([...Array(10).fill(200), 429]);
    expect(await client.zCard(`${namespace}:rl:plans:{127.0.0.1}`)).toBeLessThanOrEqual(2);
  });

  test('keeps a bounded number of entries where there is no limit', async () => {
    const { client, namespace, store } = await newStore({ resolution: 10, name: 'none' });
    const limit = Number.POSITIVE_INFINITY;
    const served = await limitedBy(theirs.rateLimit({ limit, windowMs: 60_000, store }));
    expect(await statuses(served, '/', 20)).toEqual(Array(20).fill(200));
    expect(await client.zCard(`${namespace}:rl:none:{127.0.0.1}`)).toBeLessThanOrEqual(2);
  });

  test('gives failed requests back', async () => {
    const { store } = await newStore();
    const limiter = theirs.rateLimit({ limit: 2, store, skipFailedRequests: true });
    const served = await limitedBy(limiter);
    expect(await statuses(served, '/fail', 4)).toEqual([500, 500, 500, 500]);
    await sleep(50);
    expect(await statuses(served, '/', 3)).toEqual([200, 200, 429]);
    await sleep(50);
  });

  test('tells, resets one, and resets all but its neighbours', async () => {
    const { client, namespace, store } = await newStore({ name: 'mine' });
    const neighbour = new RedisStore({ client, namespace, name: 'mine2', deadlineMs: 5_000 });
    for (const each of [store, neighbour]) {
      theirs.rateLimit({ limit: 5, store: each });
      for (const key of ['a', 'b', 'c*']) await each.increment(key);
    }
    expect(await store.get('a')).toMatchObject({ totalHits: 1, resetTime: expect.any(Date) });
    await store.decrement('a');
    await store.decrement('nobody');
    expect(await store.get('a')).toBeUndefined();
    await store.resetKey('b');
    expect(await store.get('b')).toBeUndefined();
    await store.resetAll();
    expect(await store.get('c*')).toBeUndefined();
    expect(await neighbour.get('c*')).toMatchObject({ totalHits: 1 });
  });

  test('fails fast without Redis, so that passOnStoreError decides', async () => {
    const server = await RedisServer.start();
    const store = new RedisStore({ client: await connect(server.url) });
    const served = await limitedBy(theirs.rateLimit({ store, passOnStoreError: true, logger: silent }));
    expect(await statuses(served, '/', 1)).toEqual([200]);
    await server.kill();
    expect(await statuses(served, '/', 8)).toEqual(Array(8).fill(200));
    await expect(store.increment('a')).rejects.toMatchObject({ code: 'ERS_REDIS_UNAVAILABLE' });
    await server.restart();
  });

  test('refuses options that cannot mean anything, and one name for two windows', async () => {
    const { client, namespace } = await newStore();
    const bad = [
      { name: 'a:b' },
      { prefix: 'login:' },
      { deadlineMs: 0 },
      { resolution: 0 },
      { namespace: 'a b' },
      { client: {} },
    ];
    for (const options of bad)
      expect(() => new RedisStore({ client, ...options } as never)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^ERS_INVALID_/) }),
      );
    for (const nothing of [undefined, null])
      expect(() => new RedisStore(nothing as never)).toThrow(
        expect.objectContaining({ code: 'ERS_INVALID_OPTION' }),
      );
    const named = () => new RedisStore({ client, namespace, name: 'api' });
    theirs.rateLimit({ store: named(), windowMs: 1_000 });
    const second = named();
    expect(() => second.init({ windowMs: 2_000 } as never)).toThrow(
      expect.objectContaining({ code: 'ERS_NAME_IN_USE' }),
    );
    await expect(second.increment('me')).rejects.toThrow(/init/);
    for (const windowMs of [0, Number.NaN, 'soon'])
      expect(() => named().init({ windowMs } as never)).toThrow(
        expect.objectContaining({ code: 'ERS_INVALID_OPTION' }),
      );
  });
});

describe('express-slow-down on RedisStore', () => {
  test('slows down more with each hit beyond its limit', async () => {
    const { store } = await newStore();
    const options = { delayAfter: 2, delayMs: (used: number) => (used - 2) * 40, windowMs: 60_000 };
    const app = express().use(slowDown({ ...options, store }));
    app.get('/', (req, res) => void res.json((req as unknown as { slowDown: object }).slowDown));
    const served = await serve(app);
    const delays: number[] = [];
    for (let requests = 0; requests < 5; requests += 1) delays.push((await served.get('/')).json().delay);
    expect(delays).toEqual([0, 0, 40, 80, 120]);
  });
});

const silent = { error: () => {}, warn: () => {} };
