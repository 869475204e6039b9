// What a client and a developer see of the middleware, beyond what express-rate-limit has too.
import http from 'node:http';
import { describe, expect, test } from '@jest/globals';
import express, { type ErrorRequestHandler, type Request } from 'express';
import { type AugmentedRequest, MemoryStore, type Options, rateLimit } from 'express-redis-suite/rate-limit';
import { rateLimitChannel } from '../../lib/core/channels.js';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { unhandledRejections } from '../support/unhandled.js';

const windows: Record<string, () => Promise<Partial<Options>>> = {
  'a Redis window': async () => ({
    client: await connect(),
    namespace: uniqueNamespace(),
    deadlineMs: 5_000,
  }),
  'a window of its own': async () => ({}),
};

describe.each(Object.entries(windows))('With %s, the middleware', (_place, where) => {
  test('tells exactly when a rejected client may come again', async () => {
    const app = express().use(rateLimit({ ...(await where()), limit: 1, windowMs: 2_500 }));
    app.get('/', (_req, res) => void res.send('yes'));
    const served = await serve(app);
    await served.get('/');
    const denied = await served.get('/');
    expect(denied.status).toBe(429);
    expect(denied.headers['retry-after']).toBe('3');
    expect(denied.text).toBe('Too many requests, please try again later.');
  });

  test('never sends a Retry-After below one second', async () => {
    const app = express().use(rateLimit({ ...(await where()), limit: 1, windowMs: 400 }));
    const served = await serve(app);
    await served.get('/');
    expect((await served.get('/')).headers['retry-after']).toBe('1');
  });

  test('takes a cost that depends on the request, all or nothing', async () => {
    const cost = (req: Request) => Number(req.query.cost ?? 1);
    const app = express().use(rateLimit({ ...(await where()), limit: 10, cost }));
    app.get('/', (_req, res) => void res.send('yes'));
    const served = await serve(app);
    expect((await served.get('/?cost=7')).headers['x-ratelimit-remaining']).toBe('3');
    const denied = await served.get('/?cost=4');
    expect([denied.status, denied.headers['x-ratelimit-remaining']]).toEqual([429, '3']);
    expect((await served.get('/?cost=3')).status).toBe(200);
    expect((await served.get('/?cost=0')).status).toBe(200);
    expect((await served.get('/?cost=1')).status).toBe(429);
    expect((await served.get('/?cost=11')).headers['retry-after']).toBe('60');
  });

  test('tells the handler of every rejection, one above the limit', async () => {
    const seen: number[] = [];
    const app = express().use(
      rateLimit({
        ...(await where()),
        limit: 2,
        handler: (req, res) => {
          seen.push((req as unknown as { rateLimit: { used: number } }).rateLimit.used);
          res.status(429).end();
        },
      }),
    );
    const served = await serve(app);
    for (let requests = 0; requests < 4; requests += 1) await served.get('/');
    expect(seen).toEqual([3, 3]);
  });

  test('hands what user code throws to next, and neither counts nor crashes', async () => {
    const failures: unknown[] = [];
    const collect: ErrorRequestHandler = (error, _req, res, _next) => {
      failures.push(error.message);
      res.status(500).end();
    };
    const fail = (name: string) => () => {
      throw new Error(name);
    };
    const base = { ...(await where()), limit: 1, windowMs: 60_000 };
    const app = express();
    for (const option of ['skip', 'keyGenerator', 'cost', 'limit'] as const)
      app.use(`/${option}`, rateLimit({ ...base, [option]: fail(option) }));
    app.use(
      '/identifier',
      rateLimit({ ...base, standardHeaders: 'draft-8', identifier: fail('identifier') }),
    );
    app.use('/odd-cost', rateLimit({ ...base, name: 'odd', cost: () => 0.5 }));
    app.use('/odd-limit', rateLimit({ ...base, limit: () => Number.NaN }));
    app.use('/message', rateLimit({ ...base, limit: 0, message: fail('message'), validate: false }));
    app.use(
      '/async',
      rateLimit({ ...base, keyGenerator: async () => Promise.reject(new Error('rejected')) }),
    );
    app.use(collect);
    const served = await serve(app);
    const paths = [
      'skip',
      'keyGenerator',
      'cost',
      'limit',
      'identifier',
      'odd-cost',
      'odd-limit',
      'message',
      'async',
    ];
    for (const path of paths) expect((await served.get(`/${path}`)).status).toBe(500);
    expect(failures).toEqual([
      ...['skip', 'keyGenerator', 'cost', 'limit', 'identifier'],
      expect.stringContaining('cost: 0.5'),
      expect.stringContaining('limit: NaN'),
      ...['message', 'rejected'],
    ]);
  });

  test('lets nobody pass for code of the user that throws nothing, or rejects with it', async () => {
    const base = { ...(await where()), windowMs: 60_000 };
    const throwNothing = () => {
      throw undefined;
    };
    const app = express();
    app.use('/throws', rateLimit({ ...base, name: 'throws', keyGenerator: throwNothing }));
    app.use('/rejects', rateLimit({ ...base, name: 'rejects', cost: () => Promise.reject() }));
    app.use((_req, res) => void res.send('passed'));
    const answerError: ErrorRequestHandler = (_error, _req, res, _next) => void res.status(500).end();
    const served = await serve(app.use(answerError));
    for (const path of ['/throws', '/rejects']) expect((await served.get(path)).status).toBe(500);
  });

  test('outlives a logger that throws when a request cannot be given back', async () => {
    const fail = () => {
      throw new Error('no disk');
    };
    const unhandled = unhandledRejections();
    const skips = {
      skipFailedRequests: true,
      requestWasSuccessful: fail,
      logger: { error: fail, warn: fail },
    };
    const app = express().use(rateLimit({ ...(await where()), ...skips, validate: false }));
    app.use((_req, res) => void res.send('yes'));
    const served = await serve(app);
    for (let requests = 0; requests < 3; requests += 1) expect((await served.get('/')).status).toBe(200);
    expect(unhandled).toEqual([]);
  });

  test('says that its default answer depends on Accept, and only that', async () => {
    const given = { ...(await where()), limit: 0, validate: false };
    const app = express().use((_req, res, next) => {
      res.setHeader('Vary', 'Origin');
      next();
    });
    app.use('/own', rateLimit({ ...given, message: 'no' }));
    app.use(rateLimit(given));
    const served = await serve(app);
    for (const accept of ['text/html', 'application/problem+json', '*/*'])
      expect((await served.get('/', { accept })).headers.vary).toBe('Origin, Accept');
    expect((await served.get('/own')).headers.vary).toBe('Origin');
  });

  test('remembers clients with endless names in little memory', async () => {
    const limiter = rateLimit({ ...(await where()), limit: 1 });
    const [one, other] = [`${'x'.repeat(100_000)}1`, `${'x'.repeat(100_000)}2`];
    const { token } = await limiter.consume(one);
    expect(token?.key.length).toBeLessThan(100);
    expect(await limiter.consume(other)).toMatchObject({ isAllowed: true });
    expect(await limiter.consume(one)).toMatchObject({ isAllowed: false });
    expect(await limiter.peek(one)).toMatchObject({ used: 1 });
    expect(await limiter.refund(token as NonNullable<typeof token>)).toBe(true);
    expect(await limiter.consume(one)).toMatchObject({ isAllowed: true });
    await limiter.resetKey(one);
    expect(await limiter.getKey(one)).toBeUndefined();
  });

  test('works in plain node:http, and in front of an app', async () => {
    const limiter = rateLimit({
      ...(await where()),
      limit: 1,
      message: { slow: true },
      standardHeaders: 'draft-8',
      validate: false,
    });
    const served = await serve((req, res) => {
      limiter(req as never, res as never, (error?: unknown) => res.end(error ? `${error}` : 'yes'));
    });
    expect((await served.get('/')).text).toBe('yes');
    const denied = await served.get('/');
    expect(denied.status).toBe(429);
    expect(denied.json()).toEqual({ slow: true });
    expect(denied.headers['content-type']).toBe('application/json; charset=utf-8');
    const head = await served.send('/', { method: 'HEAD' });
    expect([head.status, head.text, head.headers['content-length']]).toEqual([429, '', '13']);
  });

  test('hands on what is thrown behind it, where no router does', async () => {
    const limiter = rateLimit({ ...(await where()), validate: false });
    const served = await serve((req, res) => {
      limiter(req as never, res as never, (error?: unknown) => {
        if (error === undefined) throw new Error('behind');
        res.end(`${error}`);
      });
    });
    expect((await served.get('/')).text).toBe('Error: behind');
  });

  test('counts together what is mounted twice under different paths of one app', async () => {
    const limiter = rateLimit({ ...(await where()), limit: 2 });
    const inner = express().use(limiter);
    inner.get('/', (_req, res) => void res.send('inner'));
    const app = express().use('/inner', inner).use('/outer', limiter);
    app.get('/outer', (_req, res) => void res.send('outer'));
    const served = await serve(app);
    const statuses = [];
    for (const path of ['/inner', '/outer', '/inner', '/outer'])
      statuses.push((await served.get(path)).status);
    expect(statuses).toEqual([200, 200, 429, 429]);
  });

  test('lets the cache’s own revalidation pass untouched', async () => {
    const app = express();
    app.use((req, _res, next) => {
      if (req.query.own) Object.assign(req, { [Symbol.for('express-redis-suite.revalidation')]: true });
      next();
    });
    app.use(rateLimit({ ...(await where()), limit: 1 }));
    app.get('/', (_req, res) => void res.send('yes'));
    const served = await serve(app);
    await served.get('/');
    expect((await served.get('/')).status).toBe(429);
    const own = await served.get('/?own=1');
    expect(own.status).toBe(200);
    expect(own.headers['x-ratelimit-limit']).toBeUndefined();
  });

  test('is not in the way of a client that leaves while it decides', async () => {
    const app = express().use(rateLimit({ ...(await where()), limit: 5, keyGenerator: slowly }));
    app.get('/', (_req, res) => void res.send('yes'));
    const served = await serve(app);
    const request = http.get(served.url);
    request.on('error', () => {});
    setTimeout(() => request.destroy(), 20);
    await new Promise((resolve) => request.on('close', resolve));
    expect((await served.get('/')).headers['x-ratelimit-remaining']).toBe('3');
  });

  test('limits nobody when the limit is Infinity', async () => {
    const app = express().use(
      rateLimit({ ...(await where()), limit: Number.POSITIVE_INFINITY, validate: false }),
    );
    app.get('/', (_req, res) => void res.send('yes'));
    const served = await serve(app);
    expect((await served.get('/')).headers['x-ratelimit-remaining']).toBe('Infinity');
  });

  test('may count rejected requests, which then keep a client out', async () => {
    const limiter = rateLimit({ ...(await where()), limit: 2, windowMs: 60_000, countRejected: true });
    const used: number[] = [];
    for (let tries = 0; tries < 4; tries += 1) used.push((await limiter.consume('me')).used);
    expect(used).toEqual([1, 2, 3, 3]);
  });

  test('limits over several windows at once, and describes the tightest', async () => {
    const limits = [
      { windowMs: 1_000, limit: 2 },
      { windowMs: 3_600_000, limit: 3, name: 'hourly' },
    ];
    const limiter = rateLimit({ ...(await where()), limits, standardHeaders: 'draft-8' });
    const app = express().use(limiter);
    app.get('/', (req, res) => void res.json((req as unknown as { rateLimit: object }).rateLimit));
    const served = await serve(app);
    const first = await served.get('/');
    expect(first.json()).toMatchObject({ limit: 2, used: 1, remaining: 1, policy: '2-in-1sec' });
    expect(first.headers.ratelimit).toBe('"2-in-1sec"; r=1; t=1');
    expect(first.headers['ratelimit-policy']).toMatch(
      /^"hourly"; q=3; w=3600; pk=:\S+:, "2-in-1sec"; q=2; w=1; pk=:\S+:$/,
    );
    expect(first.headers['x-ratelimit-limit']).toBe('2');
    await served.get('/');
    const denied = await served.get('/');
    expect([denied.status, denied.headers['retry-after']]).toEqual([429, '1']);
    await new Promise((resolve) => setTimeout(resolve, 1_010));
    expect((await served.get('/')).json()).toMatchObject({ limit: 3, used: 3, policy: 'hourly' });
    const full = await served.get('/');
    expect([full.status, Number(full.headers['retry-after']) > 3_500]).toEqual([429, true]);
  });

  test('limits by the windows that have an end, wherever an endless one stands', async () => {
    const endless = { windowMs: 86_400_000, limit: Number.POSITIVE_INFINITY };
    const longer = rateLimit({ ...(await where()), limits: [endless, { windowMs: 60_000, limit: 2 }] });
    expect(await longer.consume('me', 2)).toMatchObject({ isAllowed: true, policy: '2-in-1min' });
    expect(await longer.consume('me')).toMatchObject({ isAllowed: false, policy: '2-in-1min' });
    const shorter = { ...endless, windowMs: 1_000 };
    const limits = [shorter, { windowMs: 60_000, limit: 2 }];
    const limiter = rateLimit({ ...(await where()), limits });
    expect(await limiter.consume('me', 3)).toMatchObject({ isAllowed: false });
    const none = rateLimit({ ...(await where()), limits: [endless, shorter] });
    expect(await none.consume('me', 3)).toMatchObject({ isAllowed: true });
  });

  test('shuts a client out for `blockMs` after a rejection', async () => {
    const limiter = rateLimit({ ...(await where()), limit: 1, windowMs: 1_000, blockMs: 30_000 });
    const served = await serve(express().use(limiter, (_req, res) => void res.send('yes')));
    await served.get('/');
    expect((await served.get('/')).headers['retry-after']).toBe('30');
    await new Promise((resolve) => setTimeout(resolve, 1_010));
    expect((await served.get('/')).status).toBe(429);
    await limiter.resetKey('127.0.0.1');
    expect((await served.get('/')).status).toBe(200);
  });

  test.each([false, true])('shows a client that is shut out no free units (dry run: %s)', async (dryRun) => {
    const options = { limit: 2, windowMs: 300, blockMs: 30_000, dryRun };
    const seen: { used: number; remaining: number; resetTime: string }[] = [];
    const app = express().use(
      rateLimit({ ...(await where()), ...options, handler: (req, res) => void res.json(informationOn(req)) }),
      (req, res) => void res.json(informationOn(req)),
    );
    const served = await serve(app);
    for (let requests = 0; requests < 3; requests += 1) await served.get('/');
    await new Promise((resolve) => setTimeout(resolve, 310));
    for (let requests = 0; requests < 2; requests += 1) seen.push((await served.get('/')).json());
    for (const { used, remaining, resetTime } of seen) {
      expect([used, remaining]).toEqual([3, 0]);
      expect(Date.parse(resetTime) - Date.now()).toBeGreaterThan(25_000);
    }
  });

  test('rejects nobody in a dry run, and shows clients nothing of it', async () => {
    const app = express().use(rateLimit({ ...(await where()), limit: 1, dryRun: true }));
    app.get('/', (req, res) => void res.json((req as unknown as { rateLimit: object }).rateLimit));
    const served = await serve(app);
    const used: number[] = [];
    for (let requests = 0; requests < 3; requests += 1) {
      const reply = await served.get('/');
      expect(reply.status).toBe(200);
      expect(Object.keys(reply.headers).filter((name) => /ratelimit|retry/.test(name))).toEqual([]);
      used.push(reply.json().used);
    }
    expect(used).toEqual([1, 2, 2]);
  });

  test('publishes each decision for those who listen', async () => {
    const events: unknown[] = [];
    const listen = (event: unknown) => events.push(event);
    const { subscribe, unsubscribe } = rateLimitChannel as unknown as Record<
      string,
      (listener: unknown) => void
    >;
    subscribe?.call(rateLimitChannel, listen);
    try {
      const options = {
        ...(await where()),
        name: 'mine',
        limit: 1,
        skip: (req: Request) => req.path === '/skip',
      };
      const served = await serve(express().use(rateLimit(options)));
      for (const path of ['/', '/', '/', '/skip']) await served.get(path);
      const trial = rateLimit({ ...(await where()), name: 'trial', limit: 0, dryRun: true, validate: false });
      await (await serve(express().use(trial))).get('/');
    } finally {
      unsubscribe?.call(rateLimitChannel, listen);
    }
    expect(events).toMatchObject([
      { name: 'mine', decision: 'allow', durationMs: expect.any(Number) },
      { name: 'mine', decision: 'deny' },
      { name: 'mine', decision: 'deny' },
      { name: 'mine', decision: 'skip' },
      { name: 'trial', decision: 'would-deny' },
    ]);
  });
});

describe('A limiter without HTTP', () => {
  test.each(Object.entries(windows))('consumes, peeks, refunds and resets with %s', async (_place, where) => {
    const limiter = rateLimit({ ...(await where()), limit: 3, windowMs: 60_000 });
    const first = await limiter.consume('job', 2);
    expect(first).toMatchObject({ isAllowed: true, limit: 3, used: 2, remaining: 1, retryAfterMs: 0 });
    expect(await limiter.consume('job', 2)).toMatchObject({ isAllowed: false, used: 2, remaining: 1 });
    expect(await limiter.peek('job')).toMatchObject({ isAllowed: true, used: 2, remaining: 1 });
    expect(await limiter.refund(first.token as NonNullable<typeof first.token>)).toBe(true);
    expect(await limiter.refund(first.token as NonNullable<typeof first.token>)).toBe(false);
    expect(await limiter.consume('job', 3)).toMatchObject({ isAllowed: true, remaining: 0 });
    expect(await limiter.getKey('job')).toMatchObject({ totalHits: 3, resetTime: expect.any(Date) });
    await limiter.resetKey('job');
    expect(await limiter.getKey('job')).toBeUndefined();
    expect(await limiter.consume('job', 4)).toMatchObject({ isAllowed: false, retryAfterMs: Infinity });
    expect(await limiter.peek('job')).not.toHaveProperty('token');
  });

  test.each(Object.entries(windows))(
    'gives a hit back once, also out of an entry of many, with %s',
    async (_place, where) => {
      const limiter = rateLimit({ ...(await where()), limit: 3, windowMs: 60_000, resolution: 1 });
      const { token } = await limiter.consume('job');
      await limiter.consume('job');
      expect(await limiter.refund(token as NonNullable<typeof token>)).toBe(true);
      expect(await limiter.refund(token as NonNullable<typeof token>)).toBe(false);
      expect(await limiter.peek('job')).toMatchObject({ used: 1 });
    },
  );

  test.each(Object.entries(windows))('counts no more than 1e14 units with %s', async (_place, where) => {
    const limiter = rateLimit({ ...(await where()), limit: 1e16 });
    const tooMuch = { code: 'ERS_INVALID_OPTION', message: expect.stringContaining('cost: ') };
    await expect(limiter.consume('job', 1e15)).rejects.toMatchObject(tooMuch);
    expect(await limiter.consume('job', 1e14)).toMatchObject({ isAllowed: true, limit: 1e14, remaining: 0 });
    expect(await limiter.consume('job')).toMatchObject({ isAllowed: false, used: 1e14 });
  });

  test('needs a limit that is a number, and a cost that is a whole one', async () => {
    const limiter = rateLimit({ limit: () => 3 });
    await expect(limiter.consume('job')).rejects.toMatchObject({ code: 'ERS_INVALID_OPTION' });
    await expect(limiter.peek('job')).rejects.toMatchObject({ code: 'ERS_INVALID_OPTION' });
    await expect(rateLimit().consume('job', -1)).rejects.toMatchObject({ code: 'ERS_INVALID_OPTION' });
  });
});

describe('Options that cannot mean anything', () => {
  const bad: [string, Record<string, unknown>][] = [
    ...[0, -1, Number.NaN, 'soon', Number.POSITIVE_INFINITY, 1e17].map((windowMs): [string, object] => [
      'windowMs',
      { windowMs },
    ]),
    ['limit', { limit: Number.NaN }],
    ['limit', { limit: 'many' }],
    ['cost', { cost: 0 }],
    ['cost', { cost: 1.5 }],
    ['cost', { cost: 2e14 }],
    ['name', { name: '' }],
    ['name', { name: 'a:b' }],
    ['name', { name: 'x'.repeat(33) }],
    ['onRedisDown', { onRedisDown: 'pray' }],
    ['expectedProcesses', { expectedProcesses: 0 }],
    ['resolution', { resolution: 0 }],
    ['resolution', { resolution: 2.5 }],
    ['blockMs', { blockMs: -1 }],
    ['blockMs', { blockMs: 'soon' }],
    ['blockMs', { blockMs: 1e17 }],
    ['limits', { limits: [] }],
    ['limits', { limits: [{ windowMs: 1_000, limit: 5 }], windowMs: 1_000 }],
    ['limits', { limits: [{ windowMs: 1_000, limit: 5 }], limit: 1 }],
    ['limits', { limits: [1, 2].map(() => ({ windowMs: 1_000, limit: 5 })) }],
    ['limits', { limits: [{ windowMs: 1_000, limit: 5, name: 'a"b' }] }],
    ['windowMs', { limits: [{ limit: 5 }] }],
    ['limit', { limits: [{ windowMs: 1_000 }] }],
    ['limits', { limits: [{ windowMs: 1_000, limit: 5 }], store: new MemoryStore() }],
    ['blockMs', { blockMs: 1_000, store: new MemoryStore() }],
    ['onRedisDown', { onRedisDown: 'closed', store: new MemoryStore() }],
    ['expectedProcesses', { expectedProcesses: 2, store: new MemoryStore() }],
    ['deadlineMs', { deadlineMs: 50, store: new MemoryStore() }],
    ['namespace', { namespace: 'shop', store: new MemoryStore() }],
    ['deadlineMs', { deadlineMs: 0 }],
    ['logger', { logger: {} }],
  ].map(([option, options]) => [option, options] as [string, Record<string, unknown>]);

  test.each(bad)('are refused at construction: %s %j', (option, options) => {
    expect(() => rateLimit({ validate: false, ...options } as never)).toThrow(
      expect.objectContaining({
        code: 'ERS_INVALID_OPTION',
        message: expect.stringContaining(`${option}: `),
      }),
    );
  });

  test('are no long numbers in a name that nobody chose', async () => {
    const client = await connect();
    for (const odd of [
      { windowMs: 1e8, limit: 1e6 },
      { windowMs: 7_000 / 3, limit: 10 / 3 },
      { windowMs: 60_000, limit: ' 5 ' as never },
      { limits: [{ windowMs: 1e8, limit: 1e6 }] },
    ]) {
      const limiter = rateLimit({ client, namespace: uniqueNamespace(), deadlineMs: 5_000, ...odd });
      expect(await limiter.consume('me')).toMatchObject({ isAllowed: true, source: 'redis', used: 1 });
    }
  });

  test('are refused at construction: a client that is none, both client and store, a bad namespace', async () => {
    const client = await connect();
    expect(() => rateLimit({ client: {} as never })).toThrow(
      expect.objectContaining({ code: 'ERS_INVALID_CLIENT' }),
    );
    expect(() => rateLimit({ client, store: new MemoryStore() })).toThrow(
      expect.objectContaining({ code: 'ERS_INVALID_OPTION' }),
    );
    expect(() => rateLimit({ client, namespace: 'a b' })).toThrow(
      expect.objectContaining({ code: 'ERS_INVALID_OPTION' }),
    );
  });

  test('are refused at construction: one name for two windows', async () => {
    const client = await connect();
    const namespace = uniqueNamespace();
    rateLimit({ client, namespace, name: 'api', windowMs: 1_000 });
    rateLimit({ client, namespace, name: 'api', windowMs: 1_000, limit: 9 });
    expect(() => rateLimit({ client, namespace, name: 'api', windowMs: 2_000 })).toThrow(
      expect.objectContaining({ code: 'ERS_NAME_IN_USE' }),
    );
    rateLimit({ client, namespace: `${namespace}2`, name: 'api', windowMs: 2_000 });
  });
});

function informationOn(req: Request): object {
  return (req as AugmentedRequest).rateLimit as object;
}

async function slowly(): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, 60));
  return 'me';
}
