/** What a request costs Redis, counted by Redis. */
import { describe, expect, it } from '@jest/globals';
import { RedisSessionStore, sessions } from 'express-redis-suite/session';
import expressSession from 'express-session';
import { serve } from '../support/http.js';
import { commandsDuring, connect } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { type Act, appWith, commonActs, cookieOf, plant, SECRET } from './support.js';

/** Calls that a client sent; the rest is what our scripts did inside Redis. */
const SENT = ['evalsha', 'eval', 'unlink', 'del', 'set', 'expire', 'pexpire', 'getex'];
/** The same commands, which our scripts run as well. */
const IN_SCRIPTS = ['set', 'pexpire'];

const middlewares = {
  'sessions()': async (url: string) => sessions({ client: await connect(url), secret: SECRET }),
  'express-session with the store': async (url: string) =>
    expressSession({
      store: new RedisSessionStore({ client: await connect(url) }),
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
    await plant(counter, 'sess:id', { user: 'ada' });
    const counts = await commandsDuring(counter, () => app.get(path, { cookie: cookieOf('id') }));
    return sent(counts);
  }

  it('reads and slides in one command', async () => {
    expect(await sentFor('/read')).toEqual({ evalsha: 1 });
  });

  it('reads and saves a changed session in two', async () => {
    expect(await sentFor('/write/cart/apple')).toEqual({ evalsha: 2 });
  });

  it('saves once, also when the handler saved already', async () => {
    const acts: Record<string, Act> = {
      '/twice': (req, res, next) => {
        req.session.cart = 'apple';
        req.session.save((error: unknown) => (error ? next(error) : res.end('saved')));
      },
    };
    expect(await sentFor('/twice', acts)).toEqual({ evalsha: 2 });
  });

  it('needs three for a new id: read, remove, save', async () => {
    expect(await sentFor('/regenerate')).toEqual({ evalsha: 2, unlink: 1 });
  });

  it('asks nothing for a request without a session', async () => {
    const server = await RedisServer.start();
    const counter = await connect(server.url);
    const app = await serve(appWith(await make(server.url), commonActs));
    const counts = await commandsDuring(counter, () => app.get('/read'));
    expect(sent(counts)).toEqual({});
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

function sent(counts: Record<string, number>): Record<string, number> {
  const hasScript = (counts.evalsha ?? 0) > 0;
  const names = SENT.filter(
    (name) => counts[name] !== undefined && !(hasScript && IN_SCRIPTS.includes(name)),
  );
  return Object.fromEntries(names.map((name) => [name, counts[name] as number]));
}
