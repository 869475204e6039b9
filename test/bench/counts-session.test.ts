/** What a session costs that no machine changes: commands and waits for Redis, bytes of its keys. They must not rise. */
import { describe, expect, test } from '@jest/globals';
import express from 'express';
import { login, logout, RedisSessionStore, sessions } from 'express-redis-suite/session';
import expressSession from 'express-session';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { counted, heaviest } from './counting.js';

const COMMON = { secret: 'only for this test', resave: false, saveUninitialized: false };
/** Of a session with a name in it: its JSON is some 120 long. */
const BYTES_OF_A_SESSION = 300;
/** Of a tombstone, and of a user's index with one session in it. */
const BYTES_OF_A_TOMBSTONE = 200;
const BYTES_OF_AN_INDEX = 500;

interface Kind {
  readonly isOurs: boolean;
  readonly hasUsers: boolean;
}

async function visiting({ isOurs, hasUsers }: Kind) {
  const redis = await connect();
  const { client, during } = counted(redis);
  const prefix = `${uniqueNamespace()}:`;
  const userId = (session: object) => (session as { user?: string }).user;
  const options = { client, prefix, deadlineMs: 10_000, ...(hasUsers ? { userId } : {}) };
  const store = new RedisSessionStore(options);
  const ours = sessions({ ...COMMON, ...options, rolling: false });
  const app = express().use(isOurs ? ours : expressSession({ ...COMMON, store }));
  app.get('/read', (req, res) => void res.json(userId(req.session)));
  app.get('/write', (req, res) => {
    Object.assign(req.session, { at: performance.now() });
    res.send('ok');
  });
  app.get('/login', (req, res, next) => {
    login(req, { user: 'ada' } as object).then(() => res.send('ok'), next);
  });
  app.get('/logout', (req, res, next) => {
    logout(req).then(() => res.send('ok'), next);
  });
  app.get('/destroy', (req, res) => {
    req.session.destroy(() => res.send('ok'));
  });
  const served = await serve(app);
  const browser = served.browser();
  // From here on Redis knows all scripts, and the browser its cookie.
  for (const path of ['/write', '/write', '/destroy', '/login', '/login', '/logout', '/login', '/read'])
    expect((await browser.get(path)).status).toBe(200);
  const ask = (path: string) => during(() => browser.get(path));
  return { redis, prefix, served, ask, during, store: isOurs ? ours.store : store };
}

const ONE = '1 evalSha in 1 round trip';
const TWO = '2 evalSha in 2 round trips';
const THREE = '3 evalSha in 3 round trips';

describe.each([
  ['sessions()', true],
  ['express-session with RedisSessionStore', false],
])('A request under %s asks Redis for', (_, isOurs) => {
  test('one command to read its session, and that keeps it alive too', async () => {
    const { ask } = await visiting({ isOurs, hasUsers: false });
    expect(await ask('/read')).toBe(ONE);
  });

  test('two when it changes its session', async () => {
    const { ask } = await visiting({ isOurs, hasUsers: false });
    expect(await ask('/write')).toBe(TWO);
  });

  test('three to log in, and two to log out', async () => {
    const { ask } = await visiting({ isOurs, hasUsers: false });
    // Without sessions(), express-session saves what login() has saved once more.
    expect(await ask('/login')).toBe(isOurs ? THREE : '4 evalSha in 4 round trips');
    expect(await ask('/logout')).toBe(TWO);
  });

  test('two to destroy its session', async () => {
    const { ask } = await visiting({ isOurs, hasUsers: false });
    expect(await ask('/destroy')).toBe(TWO);
  });

  test('nothing without a cookie, and one to begin a session', async () => {
    const { served, during } = await visiting({ isOurs, hasUsers: false });
    expect(await during(() => served.get('/read'))).toBe('nothing');
    expect(await during(() => served.get('/write'))).toBe(ONE);
  });
});

describe('With an index of users', () => {
  test('a request that reads or changes its session costs no more', async () => {
    const { ask } = await visiting({ isOurs: true, hasUsers: true });
    expect(await ask('/read')).toBe(ONE);
    expect(await ask('/write')).toBe(TWO);
  });

  test('a login waits once more, and looks after five other sessions behind, however many there are', async () => {
    const { served, ask } = await visiting({ isOurs: true, hasUsers: true });
    for (let logins = 0; logins < 30; logins += 1) expect((await served.get('/login')).status).toBe(200);
    // One of the others may have ended, and then leaves the index, by a script that Redis may not know yet.
    const cost = await ask('/login');
    const [, commands] = /^(\d+) evalSha( \+ 1 eval)? in [4-7] round trips$/.exec(cost) ?? [];
    expect([cost, Number(commands) <= 5 + 5 + 1]).toEqual([cost, true]);
  });
});

test('A touch of a session that was not read is one command', async () => {
  const { store, during } = await visiting({ isOurs: false, hasUsers: false });
  const session = { cookie: { originalMaxAge: 60_000 } } as never;
  await store.set('touched', session);
  await store.touch('touched', session);
  expect(await during(() => store.touch('touched', session))).toBe(ONE);
});

test('The keys of a session weigh what they did', async () => {
  const { redis, prefix, ask } = await visiting({ isOurs: true, hasUsers: true });
  await ask('/logout');
  await ask('/login');
  expect(await heaviest(redis, `${prefix}${'?'.repeat(32)}`)).toBeLessThanOrEqual(BYTES_OF_A_SESSION);
  expect(await heaviest(redis, `${prefix}gone:*`)).toBeLessThanOrEqual(BYTES_OF_A_TOMBSTONE);
  expect(await heaviest(redis, `${prefix.slice(0, -1)}-user:*`)).toBeLessThanOrEqual(BYTES_OF_AN_INDEX);
});
