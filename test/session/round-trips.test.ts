/** What a request costs Redis, counted by Redis. */
import { describe, expect, it } from '@jest/globals';
import { login, logout, RedisSessionStore, sessions } from 'express-redis-suite/session';
import expressSession from 'express-session';
import { serve } from '../support/http.js';
import { wireTo } from '../support/network.js';
import { connect } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import {
  type Act,
  type AnySession,
  appWith,
  commonActs,
  cookieOf,
  PATIENT,
  plant,
  SECRET,
} from './support.js';

const middlewares = {
  'sessions()': async (url: string) => sessions({ client: await connect(url), secret: SECRET, ...PATIENT }),
  'express-session with the store': async (url: string) =>
    expressSession({
      store: new RedisSessionStore({ client: await connect(url), ...PATIENT }),
      secret: SECRET,
      resave: false,
      saveUninitialized: false,
    }),
};

describe.each(Object.entries(middlewares))('%s', (_, make) => {
  async function sentFor(path: string, acts: Readonly<Record<string, Act>> = commonActs) {
    const server = await RedisServer.start();
    const counter = await connect(server.url);
    const app = await serve(appWith(await make(server.url), acts));
    await plant(counter, 'sess:id', { user: 'ada' });
    // Redis knows the scripts from here on.
    await app.get(path, { cookie: cookieOf('id') });
    await plant(counter, 'sess:other', { user: 'ada' });
    return sentDuring(server, () => app.get(path, { cookie: cookieOf('other') }));
  }

  it('reads and slides in one command', async () => {
    expect(await sentFor('/read')).toEqual(['evalsha']);
  });

  it('reads and saves a changed session in two', async () => {
    expect(await sentFor('/write/cart/apple')).toEqual(['evalsha', 'evalsha']);
  });

  it('saves once, also when the handler saved already', async () => {
    const acts: Record<string, Act> = {
      '/twice': (req, res, next) => {
        req.session.cart = 'apple';
        req.session.save((error: unknown) => (error ? next(error) : res.end('saved')));
      },
    };
    expect(await sentFor('/twice', acts)).toEqual(['evalsha', 'evalsha']);
  });

  it('needs three for a new id: read, destroy, save', async () => {
    expect(await sentFor('/regenerate')).toEqual(['evalsha', 'evalsha', 'evalsha']);
  });

  it('asks nothing for a request without a session', async () => {
    const server = await RedisServer.start();
    const app = await serve(appWith(await make(server.url), commonActs));
    expect(await sentDuring(server, () => app.get('/read'))).toEqual([]);
  });

  it('removes a session whose lifetime the handler ended, once', async () => {
    expect(await sentFor('/lifetime/0')).toEqual(['evalsha', 'evalsha']);
  });

  it('does not hold the end of a request that only reads', async () => {
    let endReturnedAfterEnd = false;
    const acts: Record<string, Act> = {
      '/read': (_req, res) => {
        res.end('all');
        endReturnedAfterEnd = res.writableEnded;
      },
    };
    await sentFor('/read', acts);
    expect(endReturnedAfterEnd).toBe(true);
  });
});

it('under rolling a request that only reads takes two: its cookie must be that of a session that is there', async () => {
  const server = await RedisServer.start();
  const middleware = sessions({
    client: await connect(server.url),
    secret: SECRET,
    rolling: true,
    ...PATIENT,
  });
  const app = await serve(appWith(middleware, commonActs));
  await plant(await connect(server.url), 'sess:id', { user: 'ada' });
  await app.get('/read', { cookie: cookieOf('id') });
  expect(await sentDuring(server, () => app.get('/read', { cookie: cookieOf('id') }))).toEqual([
    'evalsha',
    'evalsha',
  ]);
});

it('login() takes three with a session before, and logout() two', async () => {
  const server = await RedisServer.start();
  const acts: Record<string, Act> = {
    '/login': async (req, res) => {
      await login(req as never, { user: 'ada' } as never);
      res.end('in');
    },
    '/logout': async (req, res) => {
      await logout(req as never);
      res.end('out');
    },
  };
  const browser = (await serve(appWith(await middlewares['sessions()'](server.url), acts))).browser();
  // With a session to leave, and Redis knowing the scripts.
  await browser.get('/login');
  await browser.get('/login');
  expect(await sentDuring(server, () => browser.get('/login'))).toEqual(['evalsha', 'evalsha', 'evalsha']);
  expect(await sentDuring(server, () => browser.get('/logout'))).toEqual(['evalsha', 'evalsha']);
});

describe('with the option userId', () => {
  const userId = (session: object) => (session as AnySession).user as string | undefined;
  const acts: Record<string, Act> = {
    ...commonActs,
    '/login': async (req, res) => {
      await login(req as never, { user: 'ada' } as never);
      res.end('in');
    },
  };
  const start = async (url: string) => {
    const middleware = sessions({ client: await connect(url), secret: SECRET, userId, ...PATIENT });
    return serve(appWith(middleware, acts));
  };

  it('a request that reads is one command still, one that writes two', async () => {
    const server = await RedisServer.start();
    const browser = (await start(server.url)).browser();
    for (const path of ['/login', '/read', '/write/cart/apple']) await browser.get(path);
    expect(await sentDuring(server, () => browser.get('/read'))).toEqual(['evalsha']);
    expect(await sentDuring(server, () => browser.get('/write/cart/pear'))).toEqual(['evalsha', 'evalsha']);
  });

  it('a login is three round trips', async () => {
    const A_TRIP_MS = 600;
    const server = await RedisServer.start();
    const wire = await wireTo(server.port);
    const browser = (await start(wire.url)).browser();
    // With a session to leave, and Redis knowing the scripts.
    await browser.get('/login');
    await browser.get('/login');
    wire.delay(A_TRIP_MS);
    const { status, durationMs } = await browser.get('/login');
    expect(status).toBe(200);
    expect(durationMs).toBeLessThan(4 * A_TRIP_MS);
  });
});

/** The commands that clients sent, in their order; what a script does inside Redis is not among them. */
async function sentDuring(server: RedisServer, act: () => Promise<unknown>): Promise<string[]> {
  const [watcher, marker] = [await connect(server.url), await connect(server.url)];
  const sent: string[] = [];
  let isOver: () => void = () => {};
  const over = new Promise<void>((resolve) => {
    isOver = resolve;
  });
  await watcher.monitor((line) => {
    const [, from, name] = /\[\d+ ([^\]]+)\] "(\w+)"/.exec(String(line)) ?? [];
    if (name === 'ECHO') isOver();
    else if (from !== 'lua') sent.push(String(name).toLowerCase());
  });
  await act();
  await marker.echo('over');
  await over;
  return sent;
}
