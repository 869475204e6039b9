// The same requests through express-rate-limit and through us: status, headers and body have to be the same.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import express, { type Request } from 'express';
import * as theirs from 'express-rate-limit';
import * as ours from 'express-redis-suite/rate-limit';
import { type Reply, type Sending, type Served, serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import type { DropIn } from './drop-in.types.js';

type Options = Partial<theirs.Options>;

const GIVEN_BACK_WITHIN_MS = 15;
const DRAFTS = [false, true, 'draft-6', 'draft-7', 'draft-8'] as const;

function app(...limiters: express.RequestHandler[]): Promise<Served> {
  return appOf(express, limiters);
}

function appOf(make: typeof express, limiters: express.RequestHandler[]): Promise<Served> {
  const app = make();
  app.set('trust proxy', 1);
  app.use(...limiters);
  app.get('/fail', (_req, res) => void res.status(500).send('no'));
  app.use((_req, res) => void res.send('yes'));
  app.use(answerErrors);
  return serve(app);
}

const answerErrors: express.ErrorRequestHandler = (error, _req, res, _next) => {
  res.status(error.status ?? 500).send(error.message);
};

/**
 * The clock goes on between two servers: what depends on it may differ by one second. And ours says that its default
 * answer depends on Accept.
 */
function comparable({ status, rawHeaders, text }: Reply) {
  const pairs = Array.from({ length: rawHeaders.length / 2 }, (_, index) => [
    rawHeaders[index * 2],
    rawHeaders[index * 2 + 1],
  ]);
  return {
    status,
    text,
    headers: pairs.filter(([name = '']) => !['Date', 'X-RateLimit-Reset', 'Vary'].includes(name)),
  };
}

function namesOf({ headers }: Reply): string[] {
  return Object.keys(headers).filter((name) => name !== 'vary');
}

async function expectSame(
  their: Served,
  our: Served,
  requests: readonly [string, Sending?][],
): Promise<void> {
  for (const [path, sending = {}] of requests) {
    const [theirReply, ourReply] = await Promise.all([their.send(path, sending), our.send(path, sending)]);
    expect(comparable(ourReply)).toEqual(comparable(theirReply));
    const resets = [ourReply, theirReply].map(({ headers }) => Number(headers['x-ratelimit-reset'] ?? 0));
    expect(Math.abs((resets[0] ?? 0) - (resets[1] ?? 0))).toBeLessThanOrEqual(1);
    expect(namesOf(ourReply)).toEqual(namesOf(theirReply));
    // What is given back follows the response.
    await sleep(GIVEN_BACK_WITHIN_MS);
  }
}

/** One app limited by them, one by us in this process, one by us in Redis. */
async function expectSameEverywhere(
  options: () => Options,
  requests: readonly [string, Sending?][],
): Promise<void> {
  const client = await connect();
  const quiet = { validate: false };
  const shared = { client, namespace: uniqueNamespace(), deadlineMs: 5_000 };
  await expectSame(
    await app(theirs.rateLimit({ ...options(), ...quiet })),
    await app(ours.rateLimit({ ...options(), ...quiet })),
    requests,
  );
  await expectSame(
    await app(theirs.rateLimit({ ...options(), ...quiet })),
    await app(ours.rateLimit({ ...options(), ...quiet, ...shared })),
    requests,
  );
}

const four: [string, Sending?][] = [['/'], ['/a'], ['/b'], ['/c']];

describe('In place of express-rate-limit', () => {
  test.each(DRAFTS)('sends the same with standardHeaders %s', async (standardHeaders) => {
    await expectSameEverywhere(() => ({ limit: 2, windowMs: 60_000, standardHeaders }), four);
    await expectSameEverywhere(
      () => ({ limit: 2, windowMs: 3_600_000, standardHeaders, legacyHeaders: false }),
      four,
    );
  });

  test.each([1_500, 45_000, 90_000, 7_200_000, 86_400_000, 172_800_000])(
    'names a policy over %d ms the same',
    async (windowMs) => {
      await expectSameEverywhere(() => ({ limit: 3, windowMs, standardHeaders: 'draft-8' }), [['/']]);
    },
  );

  test.each<[string, Options]>([
    ['what it sends', { limit: 2, standardHeaders: 'draft-8' }],
    ['a message', { limit: 1, message: { slow: true } }],
    ['requests given back', { limit: 2, skipFailedRequests: true }],
    ['a handler that fails', { limit: 1, handler: () => Promise.reject(new Error('broken')) as never }],
    ['an odd status', { limit: 1, statusCode: 204 }],
  ])('is the same under Express 4: %s', async (_what, options) => {
    const express4 = require('express-4') as typeof express;
    const client = await connect();
    const shared = { client, namespace: uniqueNamespace(), deadlineMs: 5_000 };
    const requests: [string, Sending?][] = [
      ['/fail'],
      ['/fail'],
      ['/fail'],
      ['/'],
      ['/', { method: 'HEAD' }],
    ];
    for (const more of [{}, shared])
      await expectSame(
        await appOf(express4, [theirs.rateLimit({ ...options, validate: false })]),
        await appOf(express4, [ours.rateLimit({ ...options, ...more, validate: false })]),
        requests,
      );
  });

  test('appends the draft-8 fields of limiters that stack', async () => {
    const stacked = ({ rateLimit }: { rateLimit: typeof theirs.rateLimit }) =>
      app(
        rateLimit({ limit: 5, windowMs: 60_000, standardHeaders: 'draft-8', validate: false }),
        rateLimit({ limit: 9, identifier: 'slow', standardHeaders: 'draft-8', validate: false }),
      );
    await expectSame(await stacked(theirs), await stacked(ours), [['/'], ['/']]);
  });

  const messages: [string, unknown][] = [
    ['a string', 'Slow down'],
    ['an object', { error: { code: 42, text: 'zu schnell, ärgerlich' } }],
    ['an array', [1, 2]],
    ['a number', 7],
    ['false', false],
    ['null', null],
    ['bytes', Buffer.from([1, 2, 255])],
    ['a function', (req: Request) => `not ${req.path}`],
    ['an async function of an object', async () => ({ slow: true })],
    ['a function of nothing', () => undefined],
    ['an async function of nothing', async () => undefined],
    ['an empty string', ''],
  ];
  // Express 4 takes a number for a status, and express-rate-limit gives it one. There, we still mean a message.
  const same = messages.filter(([, message]) => typeof message !== 'number' || !('query' in express));

  test.each(same)('rejects with a message that is %s', async (_kind, message) => {
    await expectSameEverywhere(() => ({ limit: 1, message }), four);
  });

  test.each([200, 204, 205, 304, 503])('rejects with status %d the same', async (statusCode) => {
    for (const message of ['Slow down', { slow: true }, null, () => undefined]) {
      const etag = { 'if-none-match': 'W/"9-JDqhp/GdBkkJCnxlbaXS5DXhr5A"' };
      await expectSameEverywhere(
        () => ({ limit: 1, statusCode, message }),
        [['/'], ['/'], ['/', { headers: etag }], ['/', { headers: { 'if-none-match': '*' } }]],
      );
    }
  });

  test('rejects HEAD and POST requests the same', async () => {
    await expectSameEverywhere(
      () => ({ limit: 1 }),
      [['/'], ['/', { method: 'HEAD' }], ['/', { method: 'POST', body: { a: 1 } }]],
    );
  });

  test.each<[string, () => Options]>([
    ['statusCode', () => ({ limit: 1, statusCode: 420 })],
    ['max', () => ({ max: 1 })],
    ['headers', () => ({ limit: 1, headers: false })],
    ['no headers at all', () => ({ limit: 1, legacyHeaders: false, standardHeaders: false })],
    ['limit as a function', () => ({ limit: (req: Request) => (req.path === '/a' ? 9 : 2) })],
    ['limit as an async function', () => ({ limit: async () => 2 })],
    ['limit 0', () => ({ limit: 0, retryAfter: 1 })],
    ['retryAfter', () => ({ limit: 1, retryAfter: 7 })],
    ['retryAfter as a function', () => ({ limit: 1, retryAfter: async () => 8 })],
    ['identifier', () => ({ limit: 1, standardHeaders: 'draft-8', identifier: 'mine' })],
    [
      'identifier as a function',
      () => ({ limit: 1, standardHeaders: 'draft-8', identifier: (req) => `at-${req.path.slice(1)}` }),
    ],
    ['skip', () => ({ limit: 1, skip: (req) => req.path === '/a' })],
    ['keyGenerator', () => ({ limit: 1, keyGenerator: (req) => req.path, standardHeaders: 'draft-8' })],
    ['requestPropertyName', () => ({ limit: 1, requestPropertyName: 'mine', standardHeaders: 'draft-8' })],
    [
      'handler',
      () => ({
        limit: 1,
        handler: (req, res, _next, used) =>
          void res.status(used.statusCode).json({ path: req.path, limit: used.limit }),
      }),
    ],
    ['a handler that lets pass', () => ({ limit: 1, handler: (_req, _res, next) => next() })],
    [
      'a handler that fails',
      () => ({
        limit: 1,
        handler: () => {
          throw Object.assign(new Error('broken'), { status: 418, expose: true });
        },
      }),
    ],
  ])('honours %s', async (_option, options) => {
    const requests: [string, Sending?][] = [['/'], ['/a'], ['/b']];
    await expectSameEverywhere(options, requests);
  });

  test('gives failed requests back', async () => {
    await expectSameEverywhere(
      () => ({ limit: 2, skipFailedRequests: true }),
      [['/fail'], ['/fail'], ['/fail'], ['/'], ['/'], ['/']],
    );
  });

  test('gives successful requests back', async () => {
    await expectSameEverywhere(
      () => ({ limit: 2, skipSuccessfulRequests: true }),
      [['/'], ['/'], ['/fail'], ['/fail'], ['/fail'], ['/']],
    );
  });

  test('tells IPv4 and IPv6 clients apart as they are told apart there', async () => {
    const addresses = [
      '203.0.113.1',
      '2001:db8::1',
      '2001:db8:0:0:1::',
      '2001:db8:0:100::',
      '::ffff:203.0.113.1',
    ];
    await expectSameEverywhere(
      () => ({ limit: 1, standardHeaders: 'draft-8' }),
      addresses.map((address) => ['/', { headers: { 'x-forwarded-for': address } }]),
    );
  });

  test('leaves the same information on the request', async () => {
    const informed = ({ rateLimit }: { rateLimit: typeof theirs.rateLimit }) => {
      const app = express();
      app.use(rateLimit({ limit: 3, validate: false }));
      app.get('/', (req, res) => {
        const { resetTime, ...info } = (req as theirs.AugmentedRequest).rateLimit as theirs.RateLimitInfo;
        const current = (info as unknown as { current: number }).current;
        res.json({ info, current, isDate: resetTime instanceof Date });
      });
      return serve(app);
    };
    await expectSame(await informed(theirs), await informed(ours), [['/'], ['/']]);
  });

  test('does the same to the stand-ins of a unit test', async () => {
    const methods = {
      setHeader: true,
      append: true,
      status: true,
      send: true,
    };
    const options: Options[] = [
      { limit: 1 },
      { limit: 1, standardHeaders: 'draft-8', message: { slow: true } },
      { limit: 1, legacyHeaders: false, skipFailedRequests: true },
    ];
    const quiet = { error: () => {}, warn: () => {} };
    const standIns = [{}, { setHeader: true }, methods, { ...methods, headersSent: true }];
    for (const given of options) {
      for (const standIn of standIns) {
        const [their, our] = [theirs.rateLimit, ours.rateLimit].map((make) =>
          callWith(make({ ...given, logger: quiet } as object), standIn),
        );
        expect(await our).toEqual(await their);
      }
    }
    async function callWith(limiter: express.RequestHandler, standIn: Record<string, boolean>) {
      const calls: unknown[] = [];
      for (let requests = 0; requests < 2; requests += 1) {
        const res: Record<string, unknown> = { headersSent: standIn.headersSent };
        for (const name of Object.keys(methods).filter((method) => standIn[method]))
          res[name] = (...given: unknown[]) => {
            calls.push(name === 'setHeader' ? given[0] : [name, ...given].slice(0, 2));
            return res;
          };
        const next = (error?: Error) => calls.push(error === undefined ? 'next' : error.constructor.name);
        await limiter({ ip: '203.0.113.7' } as Request, res as never, next as never);
      }
      return calls;
    }
  });

  test('takes nothing for no options, and no store for its own', async () => {
    for (const make of [theirs.rateLimit, ours.rateLimit]) {
      const served = await app(
        make(null as never),
        make({ store: null as never, limit: 1, validate: false }),
      );
      expect([(await served.get('/')).status, (await served.get('/')).status]).toEqual([200, 429]);
    }
  });

  test('exports the same', () => {
    const typesAgree: DropIn[number] = true;
    expect(typesAgree).toBe(true);
    expect(Object.keys(ours)).toEqual(expect.arrayContaining(Object.keys(theirs)));
    expect(ours.default).toBe(ours.rateLimit);
    expect([ours.SECOND, ours.MINUTE, ours.HOUR, ours.DAY]).toEqual([1e3, 6e4, 36e5, 864e5]);
  });

  test('has the same handler methods', async () => {
    for (const { rateLimit } of [theirs, ours]) {
      const limiter = rateLimit({ limit: 1, keyGenerator: () => 'me', validate: false });
      const served = await app(limiter);
      expect(await limiter.getKey('me')).toBeUndefined();
      expect((await served.get('/')).status).toBe(200);
      expect((await served.get('/')).status).toBe(429);
      expect(await limiter.getKey('me')).toMatchObject({ resetTime: expect.any(Date) });
      await limiter.resetKey('me');
      expect((await served.get('/')).status).toBe(200);
    }
  });
});
