// What express-rate-limit does not spell: draft 11, and problem details.
import { describe, expect, test } from '@jest/globals';
import express from 'express';
import { type RateLimitOptions, rateLimit } from 'express-redis-suite/rate-limit';
import { parseList } from 'structured-headers';
import { prefersProblem } from '../../lib/rate-limit/problem.js';
import { type Served, serve } from '../support/http.js';

function limitedBy(...limiters: express.RequestHandler[]): Promise<Served> {
  const app = express().use(...limiters);
  app.get('/', (_req, res) => void res.send('yes'));
  return serve(app);
}

function fieldsOf(text: unknown): [unknown, Record<string, unknown>][] {
  return parseList(String(text)).map(([name, parameters]) => {
    const shown = Object.fromEntries(parameters) as Record<string, unknown>;
    if (shown.pk !== undefined) shown.pk = Buffer.from(shown.pk as ArrayBuffer).toString('hex');
    return [name, shown];
  });
}

const PK = expect.stringMatching(/^[0-9a-f]{12}$/);
const quiet = { validate: false, legacyHeaders: false } as const;

describe('Draft 11', () => {
  test('is spelled as lists of RFC 9651, and needs no help to be parsed', async () => {
    const served = await limitedBy(rateLimit({ limit: 3, standardHeaders: 'draft-11', ...quiet }));
    const { headers } = await served.get('/');
    expect(fieldsOf(headers['ratelimit-policy'])).toEqual([['3-in-1min', { q: 3, w: 60, pk: PK }]]);
    expect(fieldsOf(headers.ratelimit)).toEqual([['3-in-1min', { r: 2, t: 60, pk: PK }]]);
    expect(headers['x-ratelimit-limit']).toBeUndefined();
  });

  test('names all windows, and the state of the tightest', async () => {
    const limits = [
      { windowMs: 10_000, limit: 5, name: 'burst' },
      { windowMs: 86_400_000, limit: 1_000, name: 'daily' },
    ];
    const options = { limits, standardHeaders: 'draft-11', identifier: 'unused', ...quiet } as const;
    const served = await limitedBy(rateLimit(options));
    const { headers } = await served.get('/');
    expect(fieldsOf(headers['ratelimit-policy'])).toEqual([
      ['daily', { q: 1_000, w: 86_400, pk: PK }],
      ['burst', { q: 5, w: 10, pk: PK }],
    ]);
    expect(fieldsOf(headers.ratelimit)).toEqual([['burst', { r: 4, t: 10, pk: PK }]]);
  });

  test('stacks, and tells partitions apart but not who they are', async () => {
    const both = (key: string) =>
      limitedBy(
        rateLimit({
          limit: 3,
          identifier: 'one',
          keyGenerator: () => key,
          standardHeaders: 'draft-11',
          ...quiet,
        }),
        rateLimit({ limit: 4, identifier: 'two', standardHeaders: 'draft-11', ...quiet }),
      );
    const seen = [];
    for (const key of ['alice', 'bob']) {
      const { headers } = await (await both(key)).get('/');
      const fields = fieldsOf(headers.ratelimit);
      expect(fields.map(([name]) => name)).toEqual(['one', 'two']);
      expect(JSON.stringify(headers)).not.toContain(key);
      seen.push(fields[0]?.[1].pk, fields[1]?.[1].pk);
    }
    expect(new Set(seen).size).toBe(3);
  });

  test.each([
    ['quotes', 'a "b" \\c', 'a "b" \\c'],
    ['letters that a header cannot hold', 'größe\r\n', 'gr__e__'],
  ])('stays well-formed with a name that has %s', async (_what, identifier, shown) => {
    const served = await limitedBy(rateLimit({ identifier, standardHeaders: 'draft-11', ...quiet }));
    expect(fieldsOf((await served.get('/')).headers.ratelimit)[0]?.[0]).toBe(shown);
  });

  test('has no number that RFC 9651 lacks', async () => {
    const served = await limitedBy(rateLimit({ limit: Infinity, standardHeaders: 'draft-11', ...quiet }));
    const { status, headers } = await served.get('/');
    expect(status).toBe(200);
    expect(fieldsOf(headers.ratelimit)[0]?.[1].r).toBe(999_999_999_999_999);
  });
});

describe('Problem details', () => {
  async function denied(accept: string | undefined, options: RateLimitOptions = {}) {
    const served = await limitedBy(
      rateLimit({ ...(options.limits ? {} : { limit: 0 }), validate: false, ...options }),
    );
    return served.get('/', accept === undefined ? {} : { accept });
  }

  test('are sent to a client that asks for them', async () => {
    const reply = await denied('application/problem+json');
    expect([reply.status, reply.headers['content-type']]).toEqual([429, 'application/problem+json']);
    expect(reply.json()).toEqual({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: expect.any(String),
      status: 429,
      'violated-policies': ['0-in-1min'],
    });
    expect(reply.headers.vary).toBe('Accept');
    expect(reply.headers['retry-after']).toBe('60');
  });

  test('name the policy as the headers do', async () => {
    const limits = [
      { windowMs: 1_000, limit: 0, name: 'burst' },
      { windowMs: 2_000, limit: 1 },
    ];
    const accept = 'application/problem+json';
    expect((await denied(accept, { limits })).json()['violated-policies']).toEqual(['burst']);
    expect((await denied(accept, { identifier: () => 'mine' })).json()['violated-policies']).toEqual([
      'mine',
    ]);
  });

  test.each<[string | undefined, boolean]>([
    [undefined, false],
    ['', false],
    ['*/*', false],
    ['application/json', false],
    ['application/problem+json, */*', true],
    ['Application/Problem+JSON;q=0.5 , text/html;q=0.4', true],
    ['application/problem+json;q=0.5, text/html', false],
    ['application/problem+json;q=0.5, */*', false],
    ['application/problem+json;q=0', false],
    ['application/problem+json;q=x', false],
    ['text/*;q=0.2, */*;q=0.9, application/problem+json;q=0.3', true],
  ])('are for %j: %s', (accept, isPreferred) => {
    expect(prefersProblem(accept)).toBe(isPreferred);
  });

  test('are not sent where somebody says what is sent', async () => {
    const accept = 'application/problem+json';
    const own = await denied(accept, { message: { slow: 'down' } });
    expect([own.headers['content-type'], own.headers.vary]).toEqual([
      'application/json; charset=utf-8',
      undefined,
    ]);
    expect((await denied(accept, { handler: (_req, res) => void res.status(429).end('mine') })).text).toBe(
      'mine',
    );
  });

  test('add to a Vary that is there', async () => {
    const vary: express.RequestHandler = (_req, res, next) => {
      res.setHeader('Vary', 'Origin');
      next();
    };
    const served = await limitedBy(vary, rateLimit({ limit: 0, validate: false }));
    const reply = await served.get('/', { accept: 'application/problem+json' });
    expect(reply.headers.vary).toBe('Origin, Accept');
  });
});
