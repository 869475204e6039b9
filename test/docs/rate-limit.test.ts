/** What docs/rate-limit.md shows compiles, does what the page says, and leaves no option out. */
import { once } from 'node:events';
import { beforeAll, describe, expect, test } from '@jest/globals';
import express from 'express';
import { type DraftVersion, type RateLimitOptions, rateLimit } from 'express-redis-suite/rate-limit';
import { WebSocket } from 'ws';
import { type Served, serve } from '../support/http.js';
import { RedisServer } from '../support/redis-server.js';
import { benchOf, optionsOf, sidesOf } from './snippets.js';

const PAGE = 'docs/rate-limit.md';
const AMBIENT = `
import type { Server } from 'node:http';
import type { Express } from 'express';
import type { Store } from 'express-rate-limit';
import type { RedisClientType } from 'redis';
declare global {
  const app: Express;
  const server: Server;
  const client: RedisClientType;
  const redisClient: RedisClientType;
  const yourStore: Store;
  function search(): string[];
  function checkPassword(email: unknown, password: unknown): Promise<boolean>;
  function planOf(key: string | undefined): Promise<{ requestsPerMinute: number }>;
  function send(mail: string): Promise<void>;
}
`;

const page = benchOf(PAGE, AMBIENT);
const { snippets, workbench, modules } = page;

beforeAll(() => {
  for (const snippet of snippets.filter(({ language }) => language === 'diff')) {
    const { before, after } = sidesOf(snippet);
    workbench.write(`line-${snippet.line}-before.ts`, before);
    workbench.write(`line-${snippet.line}-after.ts`, after);
  }
});

test('every snippet compiles, and so does each side of a migration', async () => {
  expect(modules.size).toBeGreaterThan(5);
  expect(await workbench.complaints()).toBe('');
}, 60_000);

describe('The tables of options', () => {
  test('have every option, each once', () => {
    const { declared, shown } = optionsOf('lib/rate-limit/options.ts', 'Options', page);
    expect(declared.length).toBeGreaterThan(20);
    expect(shown).toEqual(declared);
  });
});

describe('The header fields', () => {
  const shown = snippets.filter(({ language }) => language === 'http');

  test.each(shown.map((snippet) => [snippet.id as string, snippet] as const))(
    'are as shown: %s',
    async (id, { code }) => {
      const isLegacy = id === 'legacy';
      const options: RateLimitOptions = isLegacy
        ? {}
        : { legacyHeaders: false, standardHeaders: id as DraftVersion };
      const app = await serve(express().use(rateLimit({ ...options, limit: 5, windowMs: 60_000 })));
      const { rawHeaders } = await app.get('/');
      const lines = rawHeaders.flatMap((name, index) =>
        index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1]}`] : [],
      );
      const limits = lines.filter((line) => /^(X-)?RateLimit/i.test(line));
      expect(limits.map(normalised).sort()).toEqual(code.trim().split('\n').map(normalised).sort());
    },
  );

  /** Neither the time of day nor the hash of an address stands in a page. */
  function normalised(line: string): string {
    return line.replace(/\d{10}/, '<time>').replace(/pk=:[^:]*:/, 'pk=<hash>');
  }
});

test('A client that asks for problem details gets what is shown', async () => {
  const shown = snippets.find(({ id }) => id === 'problem')?.code ?? '';
  const app = await serve(express().use(rateLimit({ limit: 5, windowMs: 60_000 })));
  const accept = { accept: 'application/problem+json' };
  await statusesOf(5, () => app.get('/', accept));
  const { headers, text } = await app.get('/', accept);
  expect(headers).toMatchObject({ 'content-type': 'application/problem+json', vary: 'Accept' });
  expect(JSON.parse(text)).toEqual(JSON.parse(shown));
});

describe('Each snippet does what the page says:', () => {
  const deeds: Readonly<Record<string, (app: Served) => Promise<void>>> = {
    async start(app) {
      const statuses = await statusesOf(101, () => app.get('/'));
      expect(statuses).toEqual([...Array(100).fill(200), 429]);
    },
    async 'per-user'(app) {
      expect(await statusesOf(6, () => app.get('/'))).toEqual([200, 200, 200, 200, 200, 429]);
      expect(await statusesOf(21, () => app.get('/', { 'x-user': 'ada' }))).toEqual([
        ...Array(20).fill(200),
        429,
      ]);
      expect((await app.get('/', { 'x-user': 'bob' })).status).toBe(200);
    },
    async 'per-route'(app) {
      expect(await statusesOf(3, () => app.get('/export'))).toEqual([200, 200, 429]);
      expect((await app.get('/search')).status).toBe(200);
    },
    async login(app) {
      const logIn = (password: string, email = 'ada@example.com') =>
        app.send('/login', { method: 'POST', body: { email, password } });
      expect(await statusesOf(10, () => logIn('right'))).toEqual(Array(10).fill(200));
      expect(await statusesOf(6, () => logIn('wrong'))).toEqual([401, 401, 401, 401, 401, 429]);
      expect((await logIn('right', ' ADA@example.com')).status).toBe(429);
      expect((await logIn('right', 'bob@example.com')).status).toBe(200);
    },
    async cost(app) {
      expect(await statusesOf(6, () => app.get('/rows?rows=1000'))).toEqual([200, 200, 200, 200, 200, 429]);
    },
    async graphql(app) {
      const ask = (fields: number) => {
        const query = `{ ${Array.from({ length: fields }, (_, field) => `f${field}`).join(' ')} }`;
        return app.send('/graphql', { method: 'POST', body: { query } });
      };
      expect(await statusesOf(3, () => ask(200))).toEqual([200, 200, 429]);
      expect((await ask(100)).status).toBe(200);
      expect((await app.send('/graphql', { method: 'POST', body: { query: '{' } })).status).toBe(429);
    },
    async websocket(app) {
      const socket = new WebSocket(app.url.replace('http', 'ws'));
      await once(socket, 'open');
      const answers: string[] = [];
      for (let message = 0; message < 21; message += 1) {
        socket.send('hello');
        answers.push(String((await once(socket, 'message'))[0]));
      }
      socket.close();
      expect(answers.slice(0, 20)).toEqual(Array(20).fill('you said hello'));
      expect(answers[20]).toMatch(/^wait \d+ s$/);
    },
    async jobs(app) {
      expect((await app.get('/send?mail=good')).json()).toEqual(['good']);
      expect((await app.get('/send?mail=bad')).json()).toEqual(['good']);
    },
    async several(app) {
      expect(await statusesOf(6, () => app.get('/'))).toEqual([200, 200, 200, 200, 200, 429]);
      expect(Number((await app.get('/')).headers['retry-after'])).toBeLessThanOrEqual(60);
    },
    async block(app) {
      expect(await statusesOf(5, () => app.get('/'))).toContain(429);
      expect(Number((await app.get('/')).headers['retry-after'])).toBeGreaterThan(500);
    },
    async huge(app) {
      expect((await app.get('/')).headers['x-ratelimit-remaining']).toBe('9999');
    },
    async 'dry-run'(app) {
      const replies = [await app.get('/'), await app.get('/'), await app.get('/')];
      expect(replies.map(({ status }) => status)).toEqual([200, 200, 200]);
      expect(replies.map(({ headers }) => headers['x-would-be-rejected'])).toEqual([
        undefined,
        undefined,
        'yes',
      ]);
    },
    async proxies(app) {
      const from = (address: string) => app.get('/', { 'x-forwarded-for': address });
      expect(await statusesOf(3, () => from('203.0.113.1'))).toEqual([200, 200, 429]);
      // What stands to the left of our own proxy's entry is anybody's invention.
      expect((await from('198.51.100.1, 203.0.113.1')).status).toBe(429);
      expect((await from('203.0.113.2')).status).toBe(200);
    },
    async 'in-front'(app) {
      const from = (address: string) => app.get('/', { 'x-forwarded-for': address });
      expect(await statusesOf(100, () => from('203.0.113.1'))).toEqual(Array(100).fill(200));
      const denied = await from('203.0.113.1');
      expect([denied.status, denied.headers['x-powered-by']]).toEqual([429, undefined]);
      expect((await from('203.0.113.2')).headers['x-powered-by']).toBe('Express');
    },
    async dynamic(app) {
      expect(await statusesOf(4, () => app.get('/', { 'x-api-key': 'gold' }))).toEqual([200, 200, 200, 429]);
      expect(await statusesOf(2, () => app.get('/', { 'x-api-key': 'tin' }))).toEqual([200, 429]);
      expect((await app.get('/livez', { 'x-api-key': 'tin' })).status).toBe(200);
    },
    async closed(app) {
      expect((await app.get('/payments')).status).toBe(200);
      redis.freeze();
      expect((await app.get('/payments')).status).toBe(503);
      expect((await app.get('/')).status).toBe(200);
      redis.thaw();
    },
  };
  let redis: RedisServer;

  test('there is a deed for each', () => {
    expect([...modules.keys()].sort()).toEqual(Object.keys(deeds).sort());
  });

  test.each(Object.keys(deeds))('%s', async (id) => {
    redis = await RedisServer.start();
    const module = modules.get(id) as string;
    const app = await workbench.serve(module, 'rate-limit-process.mts', { REDIS_URL: redis.url });
    await (deeds[id] as (app: Served) => Promise<void>)(app);
  });
});

async function statusesOf(times: number, request: () => Promise<{ status: number }>): Promise<number[]> {
  const statuses: number[] = [];
  for (let count = 0; count < times; count += 1) statuses.push((await request()).status);
  return statuses;
}
