/** `login` and `logout`: a new id with every login, the old one dead, and nothing half done. */
import { describe, expect, it } from '@jest/globals';
import { login, logout, sessions } from 'express-redis-suite/session';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { type Act, appWith, commonActs, cookieOf, idIn, PATIENT, plant, SECRET } from './support.js';

const acts: Record<string, Act> = {
  ...commonActs,
  '/login': async (req, res) => {
    await login(req as never, { user: 'ada' } as never);
    res.json({ id: req.sessionID });
  },
  '/me': (req, res) => (req.session.user ? res.end(req.session.user) : res.status(401).end()),
  '/logout': async (req, res) => {
    await logout(req as never);
    await logout(req as never);
    res.end('bye');
  },
};

async function start(url?: string, options: { deadlineMs: number } = PATIENT) {
  const client = await connect(url);
  const prefix = `${uniqueNamespace()}:`;
  const app = await serve(appWith(sessions({ client, prefix, secret: SECRET, ...options }), acts));
  return { client, prefix, app };
}

describe('login and logout', () => {
  it('login, me, logout, me', async () => {
    const browser = (await start()).app.browser();
    const statuses: number[] = [];
    for (const path of ['/login', '/me', '/logout', '/me']) statuses.push((await browser.get(path)).status);
    expect(statuses).toEqual([200, 200, 200, 401]);
  });

  it('a login takes a new id, and the id that somebody planted before is worth nothing', async () => {
    const { app, client, prefix } = await start();
    await plant(client, `${prefix}planted`, { cart: 'apple' });
    const browser = app.browser();
    browser.cookies.set('connect.sid', cookieOf('planted').slice('connect.sid='.length));
    const { id } = (await browser.get('/login')).json();
    expect(id).not.toBe('planted');
    expect(idIn(browser.cookies.get('connect.sid'))).toBe(id);
    expect(await client.exists(`${prefix}planted`)).toBe(0);
    expect((await app.get('/me', { cookie: cookieOf('planted') })).status).toBe(401);
    expect((await browser.get('/me')).text).toBe('ada');
  });

  it('a logout leaves nothing in Redis and nothing that the old cookie opens', async () => {
    const { app, client, prefix } = await start();
    const browser = app.browser();
    const { id } = (await browser.get('/login')).json();
    const cookie = cookieOf(id);
    await browser.get('/logout');
    expect(await client.exists(prefix + id)).toBe(0);
    expect((await app.get('/me', { cookie })).status).toBe(401);
  });

  it('a logout without a session is none', async () => {
    expect((await (await start()).app.get('/logout')).status).toBe(200);
  });

  it('a visitor is logged out though Redis is away: nothing of theirs is there', async () => {
    const server = await RedisServer.start();
    const { app } = await start(server.url);
    await server.kill();
    const { status, headers } = await app.get('/logout');
    expect(status).toBe(200);
    expect(headers['set-cookie']).toBeUndefined();
  });

  it('both fail with a code, and with nothing changed, while Redis is away', async () => {
    const server = await RedisServer.start();
    const { app, client, prefix } = await start(server.url, { deadlineMs: 250 });
    const browser = app.browser();
    const { id } = (await browser.get('/login')).json();
    const frozen: Record<string, number> = {};
    for (const path of ['/logout', '/login']) {
      server.freeze();
      const reply = await browser.get(path);
      frozen[path] = reply.status;
      expect(reply.headers['set-cookie']).toBeUndefined();
      server.thaw();
    }
    expect(frozen).toEqual({ '/logout': 503, '/login': 503 });
    expect(await client.exists(prefix + id)).toBe(1);
  });

  it('a login that failed is not made good by its error page, though Redis is well again by then', async () => {
    const server = await RedisServer.start({ args: ['--maxmemory-policy', 'noeviction'] });
    const client = await connect(server.url);
    const failing: Act = async (req, res) => {
      await client.configSet('maxmemory', '1');
      await login(req as never, { user: 'ada' } as never).catch(() => {});
      await client.configSet('maxmemory', '0');
      res.status(500).end('not logged in');
    };
    const middleware = sessions({ client, secret: SECRET, ...PATIENT });
    const { status, headers } = await (await serve(appWith(middleware, { '/login': failing }))).get('/login');
    expect([status, headers['set-cookie']]).toEqual([500, undefined]);
    expect(await middleware.store.ids()).toEqual([]);
  });

  it('a login without sessions() says what is missing', async () => {
    await expect(login({} as never, {})).rejects.toThrow(/sessions\(\)/);
  });
});
