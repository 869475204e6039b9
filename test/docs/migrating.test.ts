/** What docs/migrating.md shows compiles, and does before and after what the page says. */
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Served } from '../support/http.js';
import { RedisServer } from '../support/redis-server.js';
import { sidesOf, snippetsOf, Workbench } from './snippets.js';

const PAGE = 'docs/migrating.md';
const AMBIENT = `
import type { RedisClientType } from 'redis';
declare module 'express-session' {
  interface SessionData {
    visits: number;
  }
}
declare global {
  const client: RedisClientType;
  const db: {
    findUser(id: number): Promise<{ id: number; name: string } | null>;
    renameUser(id: number, name: string): Promise<void>;
  };
  function report(): Promise<unknown>;
}
`;

const workbench = new Workbench(AMBIENT);
const sides = new Map<string, { before: string; after: string }>();
let redis: RedisServer;

// A machine that is busy with other work makes Redis miss deadlines, and then a limit counts locally, as it should.
jest.retryTimes(2);

beforeAll(() => {
  for (const snippet of snippetsOf(PAGE)) {
    const { before, after } = sidesOf(snippet);
    const id = snippet.id as string;
    sides.set(id, {
      before: workbench.write(`${id}-before.ts`, before),
      after: workbench.write(`${id}-after.ts`, after),
    });
  }
});
beforeEach(async () => {
  redis = await RedisServer.start();
});
afterAll(() => workbench.remove());

test('both sides of every diff compile', async () => {
  workbench.write('apicache.d.ts', "declare module 'apicache';");
  expect([...sides.keys()]).toEqual(['rate-limit', 'session', 'response-cache', 'cache-aside']);
  expect(await workbench.complaints()).toBe('');
}, 60_000);

describe('Before and after', () => {
  // Each test starts two processes.
  jest.setTimeout(60_000);
  const env = () => ({ REDIS_URL: redis.url, SESSION_SECRET: 'a secret of the docs' });
  const serve = (id: string, side: 'before' | 'after'): Promise<Served> =>
    workbench.serve(sides.get(id)?.[side] as string, 'migrating-process.mts', env());

  test('the limiter answers the same', async () => {
    async function answers(side: 'before' | 'after') {
      const app = await serve('rate-limit', side);
      const replies = [await app.get('/'), await app.get('/'), await app.get('/'), await app.get('/')];
      return replies.map(({ status, headers, text }) => ({
        status,
        text,
        type: headers['content-type'],
        policy: headers['ratelimit-policy'],
        left: String(headers.ratelimit).replace(/t=\d+/, ''),
      }));
    }
    const [before, after] = [await answers('before'), await answers('after')];
    expect(after.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(after).toEqual(before);
  });

  test('a session lives on, there and back', async () => {
    const before = await serve('session', 'before');
    const after = await serve('session', 'after');
    const browser = before.browser();
    expect((await browser.get('/')).json()).toEqual({ visits: 1 });
    const moved = after.browser();
    for (const [name, value] of browser.cookies) moved.cookies.set(name, value);
    expect((await moved.get('/')).json()).toEqual({ visits: 2 });
    expect((await browser.get('/')).json()).toEqual({ visits: 3 });
  });

  test('a page is made once', async () => {
    for (const side of ['before', 'after'] as const) {
      const app = await serve('response-cache', side);
      const first = (await app.get('/')).json();
      expect((await app.get('/')).json()).toEqual(first);
    }
  });

  test('a row is read once, and anew after it was changed', async () => {
    for (const side of ['before', 'after'] as const) {
      const app = await serve('cache-aside', side);
      const read = async () => (await app.get('/users/1')).json();
      expect([await read(), await read()]).toEqual(Array(2).fill({ user: { id: 1, name: 'Ada' }, runs: 1 }));
      await app.get('/users/1/rename/Countess');
      expect(await read()).toEqual({ user: { id: 1, name: 'Countess' }, runs: 2 });
    }
  });
});
