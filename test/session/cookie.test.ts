/** The cookie of `sessions()`: safe by default, and refused where it could not be safe. */
import { afterEach, describe, expect, it } from '@jest/globals';
import express from 'express';
import { type SessionsOptions, sessions } from 'express-redis-suite/session';
import expressSession from 'express-session';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { type Act, appWith, commonActs, PATIENT, SECRET } from './support.js';

const { NODE_ENV } = process.env;

afterEach(() => {
  process.env.NODE_ENV = NODE_ENV;
});

const acts: Record<string, Act> = {
  ...commonActs,
  '/plain': (_req, res) => res.end('plain'),
};

async function cookieWith(options: Partial<SessionsOptions>, headers: Record<string, string> = {}) {
  const client = await connect();
  const app = appWith(
    sessions({ client, prefix: `${uniqueNamespace()}:`, secret: SECRET, ...PATIENT, ...options }),
    acts,
  );
  const reply = await (await serve(app)).get('/write/a/b', headers);
  return { reply, cookie: reply.headers['set-cookie']?.[0] };
}

const overTls = { 'x-forwarded-proto': 'https' };

describe('the cookie', () => {
  it('is HttpOnly and SameSite=Lax, and Secure over TLS', async () => {
    const { cookie } = await cookieWith({ proxy: true }, overTls);
    expect(cookie).toMatch(/; HttpOnly/);
    expect(cookie).toMatch(/; SameSite=Lax/);
    expect(cookie).toMatch(/; Secure/);
    expect((await cookieWith({ proxy: true })).cookie).not.toMatch(/Secure/);
  });

  it.each([
    ['an object', {}],
    ['a function', () => ({})],
  ])(
    'of %s is not Secure by the word of a proxy not to be trusted, though the app trusts it',
    async (_given, cookie) => {
      const client = await connect();
      const sentWith = async (proxy?: boolean) => {
        const app = express().set('trust proxy', 1);
        const options = { client, prefix: `${uniqueNamespace()}:`, secret: SECRET, cookie, ...PATIENT };
        app.use(sessions({ ...options, ...(proxy === undefined ? {} : { proxy }) }), (req, res) => {
          Object.assign(req.session, { user: 'ada' });
          res.end();
        });
        return (await (await serve(app)).get('/', overTls)).headers['set-cookie']?.[0];
      };
      expect(await sentWith()).toMatch(/; Secure/);
      expect(await sentWith(false)).not.toMatch(/; Secure/);
    },
  );

  it('has 128 bits of randomness and more', async () => {
    const { reply } = await cookieWith({});
    expect(Buffer.from(reply.json().id, 'base64url').length * 8).toBeGreaterThanOrEqual(128);
  });

  it('takes its options from a function as well, defaults included', async () => {
    const cookie = () => ({ maxAge: 60_000 });
    const sent = (await cookieWith({ cookie, proxy: true }, overTls)).cookie;
    expect(sent).toMatch(/Expires=.*HttpOnly; Secure; SameSite=Lax/);
    expect((await cookieWith({ cookie, proxy: true })).cookie).toMatch(/HttpOnly; SameSite=Lax/);
  });

  it('keeps what the app asks for', async () => {
    const { cookie } = await cookieWith({ name: 'sid', cookie: { sameSite: 'strict', path: '/write' } });
    expect(cookie).toMatch(/^sid=.*Path=\/write.*SameSite=Strict/);
  });
});

describe('in production over plain HTTP', () => {
  it.each([
    ['defaults', {}],
    ['Secure', { cookie: { secure: true } }],
    ['a function', { cookie: () => ({}) }],
  ])('with %s no cookie is set, and the error says what to do', async (_, options) => {
    process.env.NODE_ENV = 'production';
    const { reply, cookie } = await cookieWith(options);
    expect(reply.status).toBe(500);
    expect(reply.json()).toMatchObject({
      code: 'ERS_INSECURE_COOKIE',
      message: expect.stringMatching(/trust proxy/),
    });
    expect(cookie).toBeUndefined();
  });

  it('an app without Redis is told the same', async () => {
    process.env.NODE_ENV = 'production';
    const app = appWith(sessions({ secret: SECRET }), acts);
    expect((await (await serve(app)).get('/write/a/b')).json()).toMatchObject({
      code: 'ERS_INSECURE_COOKIE',
    });
  });

  it('requests that need no session are served', async () => {
    process.env.NODE_ENV = 'production';
    const app = appWith(sessions({ client: await connect(), secret: SECRET, ...PATIENT }), acts);
    expect((await (await serve(app)).get('/plain')).status).toBe(200);
  });

  it('an app that says so, or trusts the proxy that speaks TLS, gets its cookie', async () => {
    process.env.NODE_ENV = 'production';
    expect((await cookieWith({ cookie: { secure: false } })).cookie).not.toMatch(/Secure/);
    expect((await cookieWith({ proxy: true }, overTls)).cookie).toMatch(/Secure/);
    const trusting = express().set('trust proxy', 1);
    trusting.use(
      appWith(
        sessions({ client: await connect(), prefix: `${uniqueNamespace()}:`, secret: SECRET, ...PATIENT }),
        acts,
      ).set('trust proxy', 1),
    );
    expect((await (await serve(trusting)).get('/write/a/b', overTls)).headers['set-cookie']?.[0]).toMatch(
      /Secure/,
    );
  });
});

describe("another express-session over the middleware's store", () => {
  it('changes nothing: no empty session is stored, cookies are sent and stay as they were', async () => {
    const client = await connect();
    const prefix = `${uniqueNamespace()}:`;
    const session = sessions({ client, prefix, secret: SECRET, ...PATIENT });
    const other = expressSession({
      store: session.store,
      secret: SECRET,
      resave: false,
      saveUninitialized: false,
    });
    const app = await serve(appWith(session, commonActs));
    await app.get('/read');
    expect(await session.store.length()).toBe(0);
    const browser = app.browser();
    const [cookie] = (await browser.get('/write/cart/apple')).headers['set-cookie'] ?? [];
    expect(cookie).toContain('SameSite=Lax');
    expect((await browser.get('/read')).json()).toMatchObject({ cart: 'apple' });
    const beside = await serve(appWith(other, commonActs));
    const header = { cookie: `connect.sid=${browser.cookies.get('connect.sid')}` };
    expect((await beside.get('/read', header)).json()).toMatchObject({ cart: 'apple' });
  });
});

describe('options that cannot work', () => {
  it.each<[string, object]>([
    ['no secret', { secret: undefined }],
    ['an empty secret', { secret: '' }],
    ['an empty list of secrets', { secret: [] }],
    ['a list with an empty secret', { secret: ['good', ''] }],
    ['__Host- without Secure', { name: '__Host-sid' }],
    ['__Host- with a path', { name: '__Host-sid', cookie: { secure: true, path: '/app' } }],
    ['__Host- with a domain', { name: '__Host-sid', cookie: { secure: true, domain: 'example.com' } }],
    ['__Secure- without Secure', { name: '__Secure-sid', cookie: { secure: false } }],
    ['a policy that is none', { onRedisDown: 'ignore' }],
    ['a lifetime of nothing', { ttl: 0 }],
    ['a store, as express-session takes it', { store: new expressSession.MemoryStore() }],
    ['a store and no client', { client: undefined, store: new expressSession.MemoryStore() }],
  ])('%s throws when the middleware is made', async (_, options) => {
    const client = await connect();
    expect(() => sessions({ client, secret: SECRET, ...options } as never)).toThrow(
      expect.objectContaining({ code: 'ERS_INVALID_OPTION' }),
    );
  });

  it('__Host- with Secure is fine', async () => {
    expect(() => sessions({ secret: SECRET, name: '__Host-sid', cookie: { secure: true } })).not.toThrow();
  });
});

describe('without a client', () => {
  it('sessions live in this process', async () => {
    const app = await serve(appWith(sessions({ secret: SECRET }), commonActs));
    const browser = app.browser();
    await browser.get('/write/cart/apple');
    expect((await browser.get('/read')).json()).toMatchObject({ cart: 'apple' });
    await browser.get('/destroy');
    expect((await browser.get('/read')).json()).not.toHaveProperty('cart');
  });
});
