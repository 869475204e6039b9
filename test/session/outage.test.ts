/** Redis killed, frozen, full or read-only: no success with an unsaved session, no long wait, no wrong logout. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import express from 'express';
import {
  login,
  logout,
  RedisSessionStore,
  type SessionsOptions,
  sessions,
} from 'express-redis-suite/session';
import { type Reply, type Sending, type Served, serve } from '../support/http.js';
import { connect, type TestClient } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { unhandledRejections } from '../support/unhandled.js';
import { type Act, appWith, commonActs, cookieOf, plant, SECRET, stored } from './support.js';

/** What a client may wait for an answer while Redis does not give any; the median, as others use this machine too. */
const AT_ONCE_MS = 500;
const BACK_WITHIN_MS = 5000;

let server: RedisServer;
let client: TestClient;

beforeEach(async () => {
  server = await RedisServer.start();
  client = await connect(server.url);
  await plant(client, 'sess:id', { user: 'ada' });
});

const signedIn = { cookie: cookieOf('id') };

const acts: Record<string, Act> = {
  ...commonActs,
  '/plain': (_req, res) => res.end('plain'),
  '/freeze-then-write': (req, res) => {
    server.freeze();
    req.session.cart = 'apple';
    res.cookie('theme', 'dark').redirect('/thanks');
  },
  '/freeze-then-destroy': (req, res) => {
    server.freeze();
    req.session.destroy(() => {});
    res.redirect('/bye');
  },
  '/freeze-then-read': (req, res) => {
    server.freeze();
    res.end(req.session.user);
  },
};

async function appOn(options: Partial<SessionsOptions> = {}): Promise<Served> {
  const app = await serve(appWith(sessions({ client, secret: SECRET, ...options }), acts));
  // Everything warm, so that what is measured is the outage.
  await expectBack(app);
  return app;
}

function expect503(reply: Reply) {
  expect(reply.status).toBe(503);
  expect(reply.headers['retry-after']).toBe('1');
  expect(reply.headers['set-cookie']).toBeUndefined();
}

function expectAtOnce(replies: readonly Reply[]) {
  const durations = replies.map(({ durationMs }) => durationMs).sort((a, b) => a - b);
  expect(durations[Math.floor(durations.length / 2)]).toBeLessThan(AT_ONCE_MS);
}

async function inSequence(app: Served, paths: readonly string[], headers = signedIn): Promise<Reply[]> {
  const replies: Reply[] = [];
  for (const path of paths) replies.push(await app.get(path, headers));
  return replies;
}

async function expectBack(app: Served) {
  await expectBackFor(() => app.get('/read', signedIn));
}

async function expectBackFor(ask: () => Promise<Reply>) {
  const deadline = performance.now() + BACK_WITHIN_MS;
  let reply = await ask();
  while (reply.status !== 200 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    reply = await ask();
  }
  expect(reply.status).toBe(200);
}

describe.each([
  ['killed', () => server.kill(), () => server.restart()],
  ['frozen', async () => server.freeze(), async () => server.thaw()],
] as const)('while Redis is %s', (_, fail, heal) => {
  it('a request with a session cookie gets a 503 at once, and is served again afterwards', async () => {
    const app = await appOn();
    await fail();
    const replies = await inSequence(app, ['/read', '/write/a/b', '/read', '/destroy', '/read']);
    replies.forEach(expect503);
    expectAtOnce(replies);
    await heal();
    await expectBack(app);
  });

  it('a request without a session cookie is served, unless it writes one', async () => {
    const app = await appOn();
    await fail();
    const plain = await inSequence(app, ['/plain', '/plain', '/plain'], {} as typeof signedIn);
    expect(plain.map(({ status, text }) => [status, text])).toEqual(Array(3).fill([200, 'plain']));
    const writing = await inSequence(app, Array(5).fill('/write/cart/apple'), {} as typeof signedIn);
    writing.forEach(expect503);
    expectAtOnce([...plain, ...writing]);
    await heal();
  });

  it.each<Sending['headers']>([{}, signedIn])(
    "a login or logout that rejects is a 503 of Express' own error handler: %p",
    async (headers) => {
      const app = express();
      app.use(sessions({ client, secret: SECRET }));
      app.get('/read', (req, res) => void res.json(req.session));
      app.get('/login', (req, res, next) => {
        fail()
          .then(() => login(req, { user: 'eve' } as never))
          .then(() => res.end('in'), next);
      });
      app.get('/logout', (req, res, next) => {
        logout(req).then(() => res.end('out'), next);
      });
      app.set('env', 'test');
      const served = await serve(app);
      await expectBack(served);
      expect503(await served.get('/login', headers));
      if (headers === signedIn) expect503(await served.get('/logout', headers));
      await heal();
    },
  );

  it("under onRedisDown: 'anonymous' it reads an empty session, which cannot be written", async () => {
    const app = await appOn({ onRedisDown: 'anonymous' });
    await fail();
    const read = await app.get('/read', signedIn);
    expect(read.status).toBe(200);
    expect(read.json()).not.toHaveProperty('user');
    expect(read.headers['set-cookie']).toBeUndefined();
    for (const path of ['/write/cart/apple', '/regenerate', '/save', '/destroy']) {
      const reply = await app.get(path, signedIn);
      expect([path, reply.status < 300]).toEqual([path, false]);
      expect(reply.headers['set-cookie']).toBeUndefined();
    }
    await heal();
  });

  it('many requests on one session do not wait for each other', async () => {
    const app = await appOn();
    await fail();
    for (const reply of await Promise.all(
      Array.from({ length: 20 }, () => app.get('/write/a/b', signedIn)),
    )) {
      expect(reply.status).toBe(503);
    }
    expect503(await app.get('/write/a/b', signedIn));
    await heal();
  });
});

describe('when Redis freezes in the middle of a request', () => {
  it.each(['/freeze-then-write', '/freeze-then-destroy'])(
    '%s is a 503 without a redirect or a cookie',
    async (path) => {
      const app = await appOn();
      const reply = await app.get(path, signedIn);
      expect503(reply);
      expect(reply.headers.location).toBeUndefined();
      server.thaw();
      await expectBack(app);
    },
  );

  it.each([false, true])('a request that only read is answered, rolling: %p', async (rolling) => {
    const reply = await (await appOn({ rolling })).get('/freeze-then-read', signedIn);
    expect([reply.status, reply.text]).toEqual([200, 'ada']);
    expect(reply.headers['set-cookie']).toBeUndefined();
    server.thaw();
  });
});

describe('when Redis refuses', () => {
  it('writes for want of memory, sessions are read, and a changed one is a 503', async () => {
    const app = await appOn();
    await client.configSet({ 'maxmemory-policy': 'noeviction', maxmemory: '1' });
    expect((await app.get('/read', signedIn)).json()).toMatchObject({ user: 'ada' });
    expect503(await app.get('/write/cart/apple', signedIn));
    expect503(await app.get('/write/cart/apple'));
    await client.configSet('maxmemory', '0');
    expect((await app.get('/write/cart/apple', signedIn)).status).toBe(200);
    expect(await stored(client, 'sess:id')).toMatchObject({ user: 'ada', cart: 'apple' });
  });

  it('writes as a replica, sessions are read, and a changed one is a 503', async () => {
    const app = await appOn();
    const primary = await RedisServer.start();
    await client.sendCommand(['CONFIG', 'SET', 'replica-serve-stale-data', 'yes']);
    const nowhere = String(primary.port);
    await primary.stop();
    await client.sendCommand(['REPLICAOF', '127.0.0.1', nowhere]);
    expect((await app.get('/read', signedIn)).json()).toMatchObject({ user: 'ada' });
    expect503(await app.get('/write/cart/apple', signedIn));
    expect((await app.get('/destroy', signedIn)).status).toBe(500);
    await client.sendCommand(['REPLICAOF', 'NO', 'ONE']);
    expect((await app.get('/read', signedIn)).json()).toMatchObject({ user: 'ada' });
  });

  it('everybody without a password, nobody is logged out', async () => {
    const app = await appOn();
    await client.sendCommand(['ACL', 'SETUSER', 'default', '-get']);
    expect503(await app.get('/read', signedIn));
    await client.sendCommand(['ACL', 'SETUSER', 'default', '+get']);
    expect((await app.get('/read', signedIn)).json()).toMatchObject({ user: 'ada' });
  });
});

describe.each<[string, Partial<SessionsOptions>]>([
  ['as it comes', {}],
  [
    'with everything that can be set',
    {
      hashIds: SECRET.repeat(2),
      encryption: { keys: [SECRET.repeat(2)] },
      absoluteTtlMs: 3_600_000,
      touchAfterMs: 1000,
      rolling: true,
      maxBytes: 10_000,
    },
  ],
])('%s, whatever Redis does', (_, options) => {
  const faults: Record<string, [fail: () => unknown, heal: () => unknown]> = {
    full: [
      () => client.configSet({ 'maxmemory-policy': 'noeviction', maxmemory: '1' }),
      () => client.configSet('maxmemory', '0'),
    ],
    'read-only': [
      () => client.sendCommand(['REPLICAOF', '127.0.0.1', '1']),
      () => client.sendCommand(['REPLICAOF', 'NO', 'ONE']),
    ],
    frozen: [() => server.freeze(), () => server.thaw()],
    dead: [() => server.kill(), () => server.restart()],
  };

  it.each(Object.entries(faults))(
    '%s: nothing succeeds that was not done, and nobody is logged out',
    async (name, [fail, heal]) => {
      const app = await serve(appWith(sessions({ client, secret: SECRET, ...options }), acts));
      const browser = app.browser();
      await browser.get('/write/user/ada');
      const cookies = [...browser.cookies.values()];
      await fail();
      const paths = ['/write/cart/apple', '/save', '/lifetime/60000', '/read', '/write/cart/pear'];
      const replies: Reply[] = [];
      for (const path of paths) replies.push(await browser.get(path));
      expectAtOnce(replies);
      const wrote = (reply: Reply | undefined) => (reply?.status ?? 0) < 400;
      expect([wrote(replies[0]), wrote(replies[4])]).toEqual([false, false]);
      expect([...browser.cookies.values()]).toEqual(cookies);
      await heal();
      // A Redis that was killed has forgotten everything.
      if (name === 'dead') return;
      await expectBackFor(() => browser.get('/read'));
      expect((await browser.get('/read')).json()).toMatchObject({ user: 'ada' });
      expect((await browser.get('/read')).json()).not.toHaveProperty('cart');
    },
  );
});

describe('the store alone', () => {
  it('answers every method with a coded error while Redis is frozen, and later at once', async () => {
    const store = new RedisSessionStore({ client, deadlineMs: 50 });
    await store.get('id');
    server.freeze();
    const session = { cookie: {} } as never;
    for (const call of [
      () => store.get('id'),
      () => store.set('id', session),
      () => store.destroy('id'),
      () => store.touch('id', session),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'ERS_REDIS_UNAVAILABLE' });
    }
    const startedAt = performance.now();
    await expect(store.get('id')).rejects.toMatchObject({ code: 'ERS_REDIS_UNAVAILABLE' });
    expect(performance.now() - startedAt).toBeLessThan(AT_ONCE_MS);
    const byCallback = new Promise((resolve) => store.get('id', resolve));
    expect(await byCallback).toMatchObject({ code: 'ERS_REDIS_UNAVAILABLE' });
    server.thaw();
  });

  it('ends no process for a promise that nobody looks at', async () => {
    const store = new RedisSessionStore({ client, deadlineMs: 50 });
    server.freeze();
    const unhandled = unhandledRejections();
    store.destroy('id');
    store.set('id', { cookie: {} } as never);
    store.get('other');
    await expect(store.get('id')).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(unhandled).toEqual([]);
    server.thaw();
  });

  it('may be made before there is a Redis', async () => {
    await server.kill();
    const store = new RedisSessionStore({ client });
    await expect(store.get('id')).rejects.toMatchObject({ code: 'ERS_REDIS_UNAVAILABLE' });
    await server.restart();
    const deadline = performance.now() + BACK_WITHIN_MS;
    while ((await store.get('id').catch(() => 'down')) === 'down' && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await store.get('id')).toBeNull();
  });
});
