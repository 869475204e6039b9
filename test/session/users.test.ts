/** A user's sessions: listed for their owner, limited in number, ended from anywhere, on a single Redis and on a cluster. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  login,
  logout,
  RedisSessionStore,
  type RedisSessionStoreOptions,
  sessions,
  type UserSession,
} from 'express-redis-suite/session';
import type { SessionData } from 'express-session';
import type { RedisClient } from '../../lib/core/client.js';
import { type Browser, serve } from '../support/http.js';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import { type RedisCluster, startCluster } from '../support/redis-topologies.js';
import { until } from '../support/until.js';
import {
  A_MINUTE,
  type Act,
  AN_HOUR,
  type AnySession,
  appWith,
  barrier,
  commonActs,
  cookieOf,
  idIn,
  PATIENT,
  placesFor,
  SECRET,
} from './support.js';

const userId = (session: SessionData) => (session as unknown as AnySession).user as string | undefined;

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startCluster();
}, 60_000);

afterAll(async () => {
  await cluster.stop();
}, 60_000);

async function start(
  client: RedisClient,
  options: Partial<RedisSessionStoreOptions> = {},
  moreActs: Readonly<Record<string, Act>> = {},
) {
  const { prefix = `${uniqueNamespace()}:` } = options as { prefix?: string };
  const middleware = sessions({
    client,
    prefix,
    secret: SECRET,
    userId,
    cookie: { maxAge: AN_HOUR },
    ...PATIENT,
    ...options,
  });
  const { store } = middleware;
  const acts: Record<string, Act> = {
    ...commonActs,
    '/login/:user': async (req, res) => {
      await login(req as never, { user: req.params.user } as never);
      res.json({ id: req.sessionID });
    },
    '/logout': async (req, res) => {
      await logout(req as never);
      res.end('bye');
    },
    '/me': (req, res) => (req.session.user ? res.end(req.session.user) : res.status(401).end()),
    ...moreActs,
  };
  const app = await serve(appWith(middleware, acts));
  const logIn = async (user = 'ada'): Promise<Browser & { id: string }> => {
    const browser = app.browser();
    const { id } = (await browser.get(`/login/${user}`, { 'user-agent': `browser of ${user}` })).json();
    return Object.assign(browser, { id });
  };
  return { app, store, prefix, logIn, client };
}

async function statusesOf(browsers: readonly Browser[]): Promise<number[]> {
  return (await Promise.all(browsers.map((browser) => browser.get('/me')))).map(({ status }) => status);
}

describe.each(placesFor(() => cluster))('on %s', (_, place) => {
  it('lists a user the devices, and says which one asks', async () => {
    const { logIn, store } = await start(await place());
    const [phone, desk] = [await logIn(), await logIn()];
    await logIn('bob');
    await phone.get('/me');
    const listed = await store.list('ada', desk.id);
    expect(listed.map(({ isCurrent }) => isCurrent).sort()).toEqual([false, true]);
    for (const { device, createdAt, lastSeenAt } of listed) {
      expect(device).toEqual({ userAgent: 'browser of ada', network: '127.0.0.0/24' });
      expect(Math.abs(Date.now() - createdAt.getTime())).toBeLessThan(A_MINUTE);
      expect(lastSeenAt.getTime()).toBeGreaterThanOrEqual(createdAt.getTime());
    }
    expect(JSON.stringify(listed)).not.toContain(phone.id);
    expect(await store.list('nobody')).toEqual([]);
  });

  it('ends one by its handle, and only of that user', async () => {
    const { logIn, store } = await start(await place());
    const [phone, desk] = [await logIn(), await logIn()];
    const { handle = '' } = (await store.list('ada', phone.id)).find(({ isCurrent }) => isCurrent) ?? {};
    expect(await store.revoke('bob', handle)).toBe(0);
    expect(await statusesOf([phone, desk])).toEqual([200, 200]);
    expect(await store.revoke('ada', handle)).toBe(1);
    expect(await statusesOf([phone, desk])).toEqual([401, 200]);
    expect(await store.revoke('ada', handle)).toBe(0);
    expect(await store.list('ada')).toHaveLength(1);
  });

  it('ends all but one, named by its session id or its handle, and then all', async () => {
    const { logIn, store } = await start(await place());
    const browsers = [await logIn(), await logIn(), await logIn(), await logIn('bob')];
    const [first] = browsers as [Browser & { id: string }];
    expect(await store.revoke('ada', { except: first.id })).toBe(2);
    const [{ handle }] = (await store.list('ada')) as unknown as [UserSession];
    expect(await store.revoke('ada', { except: handle })).toBe(0);
    expect(await statusesOf(browsers)).toEqual([200, 401, 401, 200]);
    expect(await store.revokeAll('ada')).toBe(1);
    expect(await statusesOf(browsers)).toEqual([401, 401, 401, 200]);
  });

  it('after 50 logins at once of at most 5 there are exactly 5', async () => {
    const { logIn, store } = await start(await place(), { maxSessionsPerUser: 5 });
    const browsers = await Promise.all(Array.from({ length: 50 }, () => logIn()));
    const alive = (await statusesOf(browsers)).filter((status) => status === 200);
    expect(alive).toHaveLength(5);
    expect(await store.list('ada')).toHaveLength(5);
    expect(await store.length()).toBe(5);
  });

  it('the oldest goes first, and one that has ended counts no more', async () => {
    const { logIn, store } = await start(await place(), { maxSessionsPerUser: 3 });
    const [first, second, third] = [await logIn(), await logIn(), await logIn()];
    await store.destroy(second.id);
    const fourth = await logIn();
    expect(await statusesOf([first, second, third, fourth])).toEqual([200, 401, 200, 200]);
    const fifth = await logIn();
    expect(await statusesOf([first, third, fourth, fifth])).toEqual([401, 200, 200, 200]);
  });

  it('a login that is under way while all are revoked fails, and leaves nothing', async () => {
    const { app, store } = await start(await place());
    await app.get('/me');
    const outcomes = new Set<number>();
    for (let round = 0; round < 20; round += 1) {
      const logins = Array.from({ length: 5 }, () => app.browser().get('/login/ada'));
      await new Promise((resolve) => setTimeout(resolve, round));
      const revoking = store.revokeAll('ada');
      const replies = await Promise.all(logins);
      await revoking;
      for (const { status } of replies) outcomes.add(status);
      // Whoever began after the revocation is in, and found: so the next revocation leaves none in any case.
      const isIn = replies.filter(({ status }) => status === 200).length;
      expect((await store.list('ada')).length).toBeLessThanOrEqual(isIn);
      expect(await store.length()).toBe((await store.list('ada')).length);
      await store.revokeAll('ada');
      expect(await store.length()).toBe(0);
    }
    expect([...outcomes].filter((status) => status !== 200 && status !== 500)).toEqual([]);
  });
});

/** As by an app that has it both as ESM and as CommonJS. */
async function loadedAgain(): Promise<{ login: typeof login }> {
  let again = { login };
  await jest.isolateModulesAsync(async () => {
    again = await import('express-redis-suite/session');
  });
  expect(again.login).not.toBe(login);
  return again;
}

describe('a revocation', () => {
  it.each<[string, () => Promise<{ login: typeof login }>]>([
    ['a login', async () => ({ login })],
    ['a login by the package, loaded a second time,', loadedAgain],
  ])('is not outrun by %s that began before it', async (_, load) => {
    const { login } = await load();
    const client = (await connect()) as unknown as RedisClient;
    const [started, goOn] = [barrier(), barrier()];
    const slow: Act = async (req, res, next) => {
      const { sessionStore: store } = req as never as { sessionStore: RedisSessionStore };
      const { destroy } = store;
      // The login hangs between its first and its last call to Redis.
      store.destroy = (sid, cb) => {
        store.destroy = destroy;
        const done = destroy.call(store, sid);
        done.then(started.open);
        return goOn.passed.then(() => done).then(() => cb?.(null)) as Promise<null>;
      };
      try {
        await login(req as never, { user: 'ada' } as never);
        res.end('in');
      } catch (error) {
        next(error);
      }
    };
    const { app, store } = await start(client, {}, { '/slow': slow });
    const browser = app.browser();
    const reply = browser.get('/slow');
    await started.passed;
    await store.revokeAll('ada');
    goOn.open();
    expect((await reply).json()).toMatchObject({ code: 'ERS_SESSION_REVOKED' });
    expect((await reply).headers['set-cookie']).toBeUndefined();
    expect(await store.length()).toBe(0);
    expect((await browser.get('/me')).status).toBe(401);
  });

  it('lets in who logs in right after it', async () => {
    const { logIn, store } = await start((await connect()) as unknown as RedisClient);
    await logIn();
    await store.revokeAll('ada');
    expect(await statusesOf([await logIn()])).toEqual([200]);
    expect(await store.list('ada')).toHaveLength(1);
  });

  it('is not undone by a request that was under way', async () => {
    const [loaded, goOn] = [barrier(), barrier()];
    const slow: Act = async (req, res) => {
      loaded.open();
      await goOn.passed;
      req.session.cart = 'late';
      res.end('ok');
    };
    const { logIn, store } = await start((await connect()) as unknown as RedisClient, {}, { '/slow': slow });
    const browser = await logIn();
    const late = browser.get('/slow');
    await loaded.passed;
    expect(await store.revokeAll('ada')).toBe(1);
    goOn.open();
    await late;
    expect(await store.length()).toBe(0);
    expect((await browser.get('/me')).status).toBe(401);
  });
});

const reversed = {
  parse: (text: string) => JSON.parse([...text].reverse().join('')),
  stringify: (session: SessionData) => [...JSON.stringify(session)].reverse().join(''),
};

describe('the index', () => {
  async function startRaw(options: Partial<RedisSessionStoreOptions> = {}) {
    const client = await connect();
    const started = await start(client as unknown as RedisClient, options);
    const keyOf = (user: string) => `${started.prefix.slice(0, -1)}-user:{${user}}`;
    const handles = async (user = 'ada') =>
      (await client.hKeys(keyOf(user))).filter((field: string) => field !== 'revoked');
    return { ...started, raw: client as TestClient, keyOf, handles };
  }

  it('has a time to live, longer than its sessions have', async () => {
    const { logIn, raw, keyOf } = await startRaw();
    await logIn();
    expect(await raw.pTTL(keyOf('ada'))).toBeGreaterThan(AN_HOUR);
  });

  it('spells hostile user ids, and keeps them apart', async () => {
    const { store, raw, prefix } = await startRaw();
    const hostile = ['a{b}*', 'a{b}?', '\n', 'x'.repeat(500), '__proto__', 'ada '];
    for (const [i, user] of hostile.entries()) {
      await store.set(`id-${i}`, { cookie: { originalMaxAge: AN_HOUR }, user } as never);
    }
    for (const user of hostile) expect(await store.list(user)).toHaveLength(1);
    for await (const keys of raw.scanIterator({ MATCH: `${prefix.slice(0, -1)}-user:*` })) {
      for (const key of keys) expect(key).toMatch(/^[\w.~@:/+=!-]+\{[\w.~@:/+=!-]+\}$/);
    }
    expect(await store.revokeAll('a{b}*')).toBe(1);
    expect(await store.length()).toBe(hostile.length - 1);
  });

  it('forgets what has ended when it is listed, and when somebody enters', async () => {
    const { logIn, store, raw, prefix, handles } = await startRaw();
    const gone = await logIn();
    await raw.unlink(prefix + gone.id);
    await logIn();
    await until(async () => (await handles()).length === 1);
    const other = await logIn();
    await raw.unlink(prefix + other.id);
    expect(await store.list('ada')).toHaveLength(1);
    expect(await handles()).toHaveLength(1);
  });

  it('follows a session from user to user, and to none', async () => {
    const { app, store, handles } = await startRaw();
    const browser = app.browser();
    await browser.get('/write/user/ada');
    await browser.get('/write/user/bob');
    expect([await handles('ada'), await handles('bob')].map((found) => found.length)).toEqual([0, 1]);
    await browser.get('/delete/user');
    expect(await handles('bob')).toEqual([]);
    expect(await store.length()).toBe(1);
  });

  it('holds no way into a session: its handles are not ids', async () => {
    const { logIn, app, handles } = await startRaw();
    await logIn();
    const [handle = ''] = await handles();
    expect((await app.get('/me', { cookie: cookieOf(handle) })).status).toBe(401);
  });

  it.each([
    ['a string', (raw: TestClient, key: string) => raw.set(key, 'x')],
    [
      'rubbish',
      (raw: TestClient, key: string) => raw.hSet(key, { handle: 'x', other: '1 2 {', third: '1 2 {"id":7}' }),
    ],
  ])('that holds %s instead is no obstacle', async (_, spoil) => {
    const { logIn, store, raw, keyOf } = await startRaw({ maxSessionsPerUser: 2 });
    await spoil(raw, keyOf('ada'));
    expect(await store.list('ada')).toEqual([]);
    await spoil(raw, keyOf('ada'));
    const browser = await logIn();
    expect((await browser.get('/me')).status).toBe(200);
    expect(await store.list('ada')).toHaveLength(1);
    expect(await store.revokeAll('ada')).toBe(1);
  });

  it.each([
    ['JSON', {}],
    ['another serializer', { serializer: reversed }],
    ['encryption', { encryption: { keys: ['k'.repeat(32)] } }],
  ])('that was lost gets a session with a request after a time without any: %s', async (_, options) => {
    const { logIn, store, raw, prefix, keyOf } = await startRaw(options);
    const browser = await logIn();
    await raw.unlink(keyOf('ada'));
    await raw.pExpire(prefix + browser.id, AN_HOUR / 2);
    expect((await browser.get('/me', { 'user-agent': 'later' })).status).toBe(200);
    await until(async () => (await raw.exists(keyOf('ada'))) === 1);
    const userAgent = (await store.list('ada', browser.id)).map(
      ({ isCurrent, device }) => isCurrent && device.userAgent,
    );
    expect(userAgent).toEqual([expect.any(String)]);
    expect(await raw.pTTL(keyOf('ada'))).toBeGreaterThan(AN_HOUR);
  });

  it('says when a session was last seen, from what is left of its time', async () => {
    const { logIn, store, raw, prefix } = await startRaw();
    const browser = await logIn();
    await raw.pExpire(prefix + browser.id, AN_HOUR / 2);
    const [{ createdAt, lastSeenAt }] = (await store.list('ada')) as unknown as [UserSession];
    // It cannot have been seen before it was there.
    expect(lastSeenAt.getTime()).toBe(createdAt.getTime());
    await browser.get('/me');
    const [{ lastSeenAt: seen }] = (await store.list('ada')) as unknown as [UserSession];
    expect(Math.abs(Date.now() - seen.getTime())).toBeLessThan(10_000);
  });
});

describe('with hashed ids and encryption', () => {
  const [older, newer] = ['a'.repeat(32), 'b'.repeat(32)];

  it('a session is listed and ended as any other, and the index has no id of it', async () => {
    const client = await connect();
    const options = { hashIds: older, encryption: { keys: [older] } };
    const { logIn, store, prefix } = await start(client as unknown as RedisClient, options);
    const [phone, desk] = [await logIn(), await logIn()];
    expect(await store.list('ada', desk.id)).toHaveLength(2);
    const index = await client.hGetAll(`${prefix.slice(0, -1)}-user:{ada}`);
    expect(JSON.stringify(index)).not.toContain(phone.id);
    expect(await store.revoke('ada', { except: desk.id })).toBe(1);
    expect(await statusesOf([phone, desk])).toEqual([401, 200]);
  });

  it('a session that moves to a new secret is found under it', async () => {
    const client = await connect();
    const before = await start(client as unknown as RedisClient, { hashIds: older });
    const { id } = await before.logIn();
    const { prefix } = before;
    const { app, store } = await start(client as unknown as RedisClient, { hashIds: [newer, older], prefix });
    expect((await app.get('/me', { cookie: cookieOf(id) })).status).toBe(200);
    await until(async () => (await store.list('ada')).length === 1);
    expect(await store.revokeAll('ada')).toBe(1);
    expect((await app.get('/me', { cookie: cookieOf(id) })).status).toBe(401);
  });
});

describe('the option userId', () => {
  const make = (options: object) => async () =>
    new RedisSessionStore({ client: (await connect()) as never, ...options });

  it.each([
    { userId: 'user' },
    { userId, maxSessionsPerUser: 0 },
    { userId, maxSessionsPerUser: 1.5 },
    { maxSessionsPerUser: 5 },
  ])('that cannot work is refused: %j', async (options) => {
    await expect(make(options)()).rejects.toMatchObject({ code: 'ERS_INVALID_OPTION' });
  });

  it('is what list and revoke need', async () => {
    const store = await make({})();
    await expect(store.list('ada')).rejects.toMatchObject({ code: 'ERS_INVALID_OPTION' });
    await expect(store.revokeAll('ada')).rejects.toMatchObject({ code: 'ERS_INVALID_OPTION' });
  });

  it('needs a client', () => {
    expect(() => sessions({ secret: SECRET, userId })).toThrow(/client/);
  });

  it('may name users by number', async () => {
    const { app, store } = await start((await connect()) as never, {
      userId: (session) => (userId(session) === undefined ? undefined : 42),
    });
    await app.get('/login/x');
    expect(await store.list(42)).toHaveLength(1);
    expect(await store.revokeAll('42')).toBe(1);
  });

  it('that throws fails what is saved, and nothing that is read', async () => {
    let isBroken = false;
    const { app, logIn } = await start((await connect()) as never, {
      userId(session) {
        if (isBroken) throw new TypeError('no such user');
        return userId(session);
      },
    });
    const browser = await logIn();
    isBroken = true;
    expect((await browser.get('/me')).status).toBe(200);
    expect((await browser.get('/write/cart/apple')).status).toBe(500);
    expect((await app.browser().get('/login/bob')).status).toBe(500);
    expect(idIn(browser.cookies.get('connect.sid'))).toBe(browser.id);
  });

  it('that returns something else fails what is saved', async () => {
    const { app } = await start((await connect()) as never, { userId: () => ({}) as never });
    expect((await app.get('/write/cart/apple')).status).toBe(500);
  });
});
