// Foreign stores behind our middleware, and our MemoryStore behind theirs.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import express from 'express';
import * as theirs from 'express-rate-limit';
import {
  type LegacyStore,
  MemoryStore,
  type Options,
  rateLimit,
  type Store,
} from 'express-redis-suite/rate-limit';
import { type Served, serve } from '../support/http.js';

async function limited(limiter: express.RequestHandler): Promise<Served> {
  const app = express().use(limiter);
  app.get('/', (_req, res) => void res.send('yes'));
  app.get('/fail', (_req, res) => void res.status(500).send('no'));
  app.use(
    ((error, _req, res, _next) => void res.status(500).send(error.message)) as express.ErrorRequestHandler,
  );
  return serve(app);
}

async function statuses(served: Served, paths: readonly string[]): Promise<number[]> {
  const seen: number[] = [];
  for (const path of paths) seen.push((await served.get(path)).status);
  return seen;
}

function counting(overrides: Partial<Store> = {}): Store {
  let totalHits = 0;
  return {
    increment: () => ({ totalHits: ++totalHits, resetTime: new Date(Date.now() + 30_000) }),
    decrement: () => {
      totalHits -= 1;
    },
    resetKey: () => {
      totalHits = 0;
    },
    ...overrides,
  };
}

describe('A store of express-rate-limit’s interface', () => {
  test('decides behind our middleware', async () => {
    const served = await limited(rateLimit({ store: new theirs.MemoryStore(), limit: 2 }));
    expect(await statuses(served, ['/', '/', '/'])).toEqual([200, 200, 429]);
    expect((await served.get('/')).headers['retry-after']).toBe('60');
  });

  test('is initialised with the options, and its failure to do so is logged', async () => {
    const seen: Partial<Options>[] = [];
    const logged: unknown[] = [];
    const logger = { error: (error: unknown) => logged.push(error), warn: () => {} };
    rateLimit({ limit: 7, windowMs: 5_000, store: counting({ init: (options) => void seen.push(options) }) });
    expect(seen).toEqual([expect.objectContaining({ limit: 7, windowMs: 5_000, statusCode: 429 })]);
    rateLimit({ logger, store: counting({ init: () => Promise.reject(new Error('no database')) }) });
    await sleep(1);
    expect(logged).toEqual([expect.objectContaining({ message: 'no database' })]);
  });

  test('gets requests back, rejected ones too, unless their time is over', async () => {
    let decremented = 0;
    const decrement = () => {
      decremented += 1;
    };
    const served = await limited(
      rateLimit({ limit: 1, skipFailedRequests: true, store: counting({ decrement }) }),
    );
    expect(await statuses(served, ['/fail', '/', '/'])).toEqual([500, 429, 429]);
    await sleep(20);
    expect(decremented).toBe(3);
    const over = counting({
      decrement,
      increment: () => ({ totalHits: 1, resetTime: new Date(Date.now() - 1) }),
    });
    await statuses(await limited(rateLimit({ skipFailedRequests: true, store: over })), ['/fail']);
    await sleep(20);
    expect(decremented).toBe(3);
  });

  test('may not know when it resets', async () => {
    const store = counting({ increment: () => ({ totalHits: 9, resetTime: undefined }) });
    const options = { limit: 1, windowMs: 8_000, standardHeaders: 'draft-7', validate: false } as const;
    const [their, our] = await Promise.all([
      limited(theirs.rateLimit({ ...options, store: counting(store) })),
      limited(rateLimit({ ...options, store })),
    ]);
    const [theirReply, ourReply] = await Promise.all([their.get('/'), our.get('/')]);
    expect(Object.keys(ourReply.headers).filter((name) => name !== 'vary')).toEqual(
      Object.keys(theirReply.headers),
    );
    expect(ourReply.headers).toMatchObject({
      ratelimit: 'limit=1, remaining=0, reset=8',
      'retry-after': '8',
    });
  });

  test('says when it resets, to the request and to getKey() as it says it', async () => {
    const resetTime = new Date(Date.now() + 12_345);
    const counts = () => ({ totalHits: 1, resetTime });
    const limiter = rateLimit({ store: counting({ increment: counts, get: counts }), limit: 5 });
    let seen: unknown;
    const app = express().use(limiter, (req, res) => {
      seen = (req as unknown as { rateLimit: { resetTime: unknown } }).rateLimit.resetTime;
      res.end();
    });
    const { headers } = await (await serve(app)).get('/');
    expect(seen).toBe(resetTime);
    expect(headers['x-ratelimit-reset']).toBe(`${Math.ceil(resetTime.getTime() / 1_000)}`);
    expect((await limiter.getKey('127.0.0.1'))?.resetTime).toBe(resetTime);
  });

  test.each([['soon'], [1_790_000_000_000], [new Date(Number.NaN)], [null], [{}]])(
    'does no harm when it says %p instead of a date',
    async (resetTime) => {
      const store = counting({ increment: () => ({ totalHits: 9, resetTime: resetTime as never }) });
      const options = {
        limit: 1,
        windowMs: 8_000,
        standardHeaders: 'draft-7',
        skipFailedRequests: true,
      } as const;
      const served = await limited(rateLimit({ ...options, store, validate: false }));
      const { status, headers } = await served.get('/');
      expect([status, headers['retry-after'], headers['x-ratelimit-reset']]).toEqual([429, '8', undefined]);
      expect(headers.ratelimit).toBe('limit=1, remaining=0, reset=8');
    },
  );

  test('goes on counting for those who have no limit', async () => {
    const store = counting();
    const endless = Number.POSITIVE_INFINITY;
    const limit = (req: express.Request) => (req.path === '/fail' ? endless : 2);
    const served = await limited(rateLimit({ store, limit, validate: false }));
    expect(await statuses(served, ['/fail', '/fail', '/fail', '/'])).toEqual([500, 500, 500, 429]);
    const [their, our] = await Promise.all([
      limited(theirs.rateLimit({ store: counting(), limit: endless, validate: false })),
      limited(rateLimit({ store: counting(), limit: endless, validate: false })),
    ]);
    const shown = async (served: Served) => (await served.get('/')).headers['x-ratelimit-remaining'];
    expect(await shown(our)).toBe(await shown(their));
  });

  test('fails the request when it fails, or lets it pass with passOnStoreError', async () => {
    const increment = () => Promise.reject(new Error('store is down'));
    const served = await limited(rateLimit({ store: counting({ increment }) }));
    expect([(await served.get('/')).status, (await served.get('/')).text]).toEqual([500, 'store is down']);
    const logged: unknown[] = [];
    const logger = { error: (error: unknown) => logged.push(error), warn: () => {} };
    const passing = await limited(
      rateLimit({ store: counting({ increment }), passOnStoreError: true, logger }),
    );
    expect(await statuses(passing, ['/'])).toEqual([200]);
    expect(logged).toEqual([expect.objectContaining({ message: 'store is down' })]);
  });

  test('may be one with callbacks', async () => {
    let hits = 0;
    const legacy: LegacyStore = {
      incr: (_key, callback) => callback(hits > 2 ? new Error('full') : undefined, ++hits, undefined),
      decrement: () => {},
      resetKey: () => {
        hits = 0;
      },
    };
    const limiter = rateLimit({ store: legacy, limit: 2 });
    const served = await limited(limiter);
    expect(await statuses(served, ['/', '/', '/', '/'])).toEqual([200, 200, 429, 500]);
    await limiter.resetKey('127.0.0.1');
    expect(await statuses(served, ['/'])).toEqual([200]);
    await expect(limiter.getKey('127.0.0.1')).rejects.toThrow('get()');
  });

  test('is refused when it is none', () => {
    expect(() => rateLimit({ store: {} as never })).toThrow(TypeError);
    expect(() => rateLimit({ store: counting({ resetAll: 1 as never }) })).toThrow(TypeError);
  });

  test('cannot count costs', async () => {
    expect(() => rateLimit({ store: counting(), cost: 2 })).toThrow(
      expect.objectContaining({ code: 'ERS_INVALID_OPTION' }),
    );
    expect(() => rateLimit({ store: counting(), countRejected: true })).toThrow(
      expect.objectContaining({ code: 'ERS_INVALID_OPTION' }),
    );
    await expect(rateLimit({ store: counting() }).consume('me', 2)).rejects.toMatchObject({
      code: 'ERS_INVALID_OPTION',
    });
  });
});

describe('Our MemoryStore', () => {
  test.each([
    ['ours', rateLimit],
    ['theirs', theirs.rateLimit],
  ])('slides behind the middleware that is %s', async (_whose, make) => {
    const limiter = make({ store: new MemoryStore(), limit: 2, windowMs: 900, validate: false });
    const served = await limited(limiter);
    const paths = ['/', '/', '/'];
    expect(await statuses(served, paths)).toEqual([200, 200, 429]);
    expect(await limiter.getKey('127.0.0.1')).toMatchObject({ totalHits: 2, resetTime: expect.any(Date) });
    await sleep(910);
    expect(await statuses(served, paths)).toEqual([200, 200, 429]);
    await limiter.resetKey('127.0.0.1');
    expect(await statuses(served, paths)).toEqual([200, 200, 429]);
  });

  test('takes decrements, never below zero, and counts all hits while it cannot know the limit', async () => {
    const store = new MemoryStore();
    store.init({ limit: () => 2, windowMs: 60_000 } as unknown as Options);
    for (let hits = 1; hits <= 5; hits += 1) expect((await store.increment('me')).totalHits).toBe(hits);
    for (let hits = 0; hits < 9; hits += 1) await store.decrement('me');
    expect(await store.get('me')).toBeUndefined();
    expect((await store.increment('me')).totalHits).toBe(1);
    await store.resetAll();
    expect(await store.get('me')).toBeUndefined();
    store.shutdown();
  });

  test('counts the hit that asks even in a window that is none', async () => {
    const store = new MemoryStore();
    store.init({ windowMs: -1 } as unknown as Options);
    expect((await store.increment('me')).totalHits).toBe(1);
  });
});
