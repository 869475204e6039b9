/** Whatever stands in Redis where a session should be: a new session begins, nothing fails, nothing leaks. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { RedisSessionStore, sessions } from 'express-redis-suite/session';
import expressSession from 'express-session';
import { asSession, cookieOf as soundCookieOf } from '../../lib/session/entry.js';
import { serve } from '../support/http.js';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import {
  A_MINUTE,
  type Act,
  AN_HOUR,
  appWith,
  commonActs,
  cookieOf,
  muteWarnings,
  PATIENT,
  SECRET,
  stored,
} from './support.js';

let client: TestClient;
let prefix: string;
let key: string;

beforeEach(async () => {
  muteWarnings();
  client = await connect();
  prefix = `${uniqueNamespace()}:`;
  key = `${prefix}id`;
});

const cookie = '"cookie":{"originalMaxAge":3600000}';

const texts: readonly [string, string | Buffer][] = [
  ['nothing at all', ''],
  ['text', 'not json'],
  ['half of a session', `{${cookie},"user":"a`],
  ['an array', '[1,2]'],
  ['a string', '"session"'],
  ['a number', '7'],
  ['null', 'null'],
  ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00, 0x80])],
  ['arrays in arrays without end', '['.repeat(200_000) + ']'.repeat(200_000)],
  ['arrays in it without end', `{${cookie},"user":${'['.repeat(200_000) + ']'.repeat(200_000)}}`],
  ['objects in it without end', `{${cookie},"user":${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}}`],
  [
    'depth beside a __proto__',
    `{${cookie},"__proto__":1,"user":${'['.repeat(200_000) + ']'.repeat(200_000)}}`,
  ],
  ['a cookie of text', '{"cookie":"httpOnly","user":"eve"}'],
  ['a cookie that is an array', '{"cookie":[],"user":"eve"}'],
  ['null for a cookie', '{"cookie":null,"user":"eve"}'],
  ['a lifetime of text', '{"cookie":{"originalMaxAge":"long"},"user":"eve"}'],
  ['a date that is none', `{"cookie":{"originalMaxAge":1000,"expires":"someday"},"user":"eve"}`],
  ['a path with an attribute in it', '{"cookie":{"path":"/; Domain=evil.example"},"user":"eve"}'],
  ['a domain with a line break', '{"cookie":{"domain":"a\\r\\nb"},"user":"eve"}'],
  ['an unheard-of SameSite', '{"cookie":{"sameSite":"sometimes"},"user":"eve"}'],
];

const middlewares = {
  'sessions()': () => sessions({ client, prefix, secret: SECRET, ...PATIENT }),
  'express-session with the store': () =>
    expressSession({
      store: new RedisSessionStore({ client, prefix, ...PATIENT }),
      secret: SECRET,
      resave: false,
      saveUninitialized: false,
    }),
};

describe.each(Object.entries(middlewares))('under %s', (_, make) => {
  it.each(texts)('%s is no session', async (_name, text) => {
    await client.set(key, text, { PX: A_MINUTE });
    await expectNewSession();
  });

  it.each<[string, () => Promise<unknown>]>([
    ['a hash', () => client.hSet(key, 'user', 'eve')],
    ['a list', () => client.lPush(key, 'eve')],
    ['a set', () => client.sAdd(key, 'eve')],
  ])('%s is no session', async (_name, put) => {
    await put();
    await expectNewSession();
  });

  async function expectNewSession() {
    const app = await serve(appWith(make(), commonActs));
    const read = await app.get('/read', { cookie: cookieOf('id') });
    expect(read.status).toBe(200);
    expect(read.json()).toEqual({ id: expect.not.stringMatching(/^id$/) });
    const written = await app.get('/write/cart/apple', { cookie: cookieOf('id') });
    expect(written.status).toBe(200);
    expect(await stored(client, prefix + written.json().id)).toMatchObject({ cart: 'apple' });
    expect(Object.prototype).not.toHaveProperty('isAdmin');
  }

  it.each([
    [
      'methods of a cookie',
      '{"cookie":{"originalMaxAge":60000,"serialize":1,"maxAge":"x","toJSON":{},"data":1}}',
    ],
    ['methods of a session', `{${cookie},"save":1,"id":2,"req":3,"touch":4,"constructor":5,"toString":6}`],
  ])('%s in the data do no harm', async (_name, text) => {
    await client.set(key, text, { PX: A_MINUTE });
    const app = await serve(appWith(make(), commonActs));
    for (const path of ['/read', '/write/cart/apple', '/lifetime/5000', '/regenerate']) {
      expect((await app.get(path, { cookie: cookieOf('id') })).status).toBe(200);
    }
  });

  it.each([
    ['', '"a":[{}],"__proto__":{"isAdmin":true}'],
    [', escaped', '"a":[{}],"\\u005f_proto__":{"isAdmin":true}'],
    [' further down', '"a":[{"__proto__":{"isAdmin":true}}]'],
  ])('a __proto__%s is left out, and the session stays', async (_name, fields) => {
    await client.set(key, `{${cookie},"user":"ada",${fields}}`, { PX: A_MINUTE });
    const app = await serve(appWith(make(), commonActs));
    const read = await app.get('/read', { cookie: cookieOf('id') });
    expect(read.text).toBe('{"user":"ada","a":[{}],"id":"id"}');
    await app.get('/write/cart/apple', { cookie: cookieOf('id') });
    expect(await client.get(key)).not.toContain('_proto__');
  });

  it('what a client sent as JSON does not end its session', async () => {
    const save: Act = (req, res) => {
      req.session.sent = JSON.parse('{"__proto__":{"isAdmin":true},"cart":"apple"}');
      res.end();
    };
    const app = await serve(appWith(make(), { ...commonActs, '/save-json': save }));
    const browser = app.browser();
    await browser.get('/write/user/ada');
    await browser.get('/save-json');
    expect((await browser.get('/read')).json()).toMatchObject({ user: 'ada', sent: { cart: 'apple' } });
  });

  it.each([
    ['without a signature', 'connect.sid=id'],
    ['with a wrong signature', 'connect.sid=s%3Aid.AAAA'],
    ['with a signature of nothing', 'connect.sid=s%3A.'],
    ['of control characters', 'connect.sid=%00%ff%0d%0a'],
  ])('a cookie %s is no session', async (_name, header) => {
    await client.set(key, `{${cookie},"user":"ada"}`, { PX: A_MINUTE });
    const app = await serve(appWith(make(), commonActs));
    expect((await app.get('/read', { cookie: header })).json()).not.toHaveProperty('user');
  });
});

it('under sessions() data that was stored without a cookie gets one', async () => {
  await client.set(key, '{"user":"ada"}', { PX: A_MINUTE });
  const app = await serve(appWith(middlewares['sessions()'](), commonActs));
  expect((await app.get('/read', { cookie: cookieOf('id') })).json()).toEqual({ user: 'ada', id: 'id' });
  await app.get('/write/cart/apple', { cookie: cookieOf('id') });
  expect(await stored(client, key)).toMatchObject({
    user: 'ada',
    cart: 'apple',
    cookie: expect.any(Object),
  });
});

it('under express-session data that was stored without a cookie is its error, as with any store', async () => {
  await new RedisSessionStore({ client, prefix, ...PATIENT }).set('id', { user: 'ada' } as never);
  const app = await serve(appWith(middlewares['express-session with the store'](), commonActs));
  const reply = await app.get('/read', { cookie: cookieOf('id') });
  expect([reply.status, reply.text]).toEqual([500, expect.stringContaining('Cannot read prop')]);
});

describe('what an app says of its cookie', () => {
  it.each<[string, object]>([
    ['no domain', { domain: null }],
    ['no SameSite', { sameSite: null }],
    ['no Secure', { secure: null }],
    ['no end', { expires: false }],
    ['a switch of the environment', { httpOnly: '1', partitioned: '' }],
    ['a priority in capitals', { priority: 'High' }],
    ['no priority', { priority: null }],
  ])('is taken for no tampering: %s', async (_name, cookie) => {
    const store = new RedisSessionStore({ client, prefix, ...PATIENT });
    const settings = { store, secret: SECRET, resave: false, saveUninitialized: false };
    const app = await serve(appWith(expressSession({ ...settings, cookie: cookie as never }), commonActs));
    const browser = app.browser();
    await browser.get('/write/cart/apple');
    expect((await browser.get('/read')).json()).toMatchObject({ cart: 'apple' });
  });
});

describe('an entry', () => {
  it('is a session whatever words its values hold', () => {
    expect(asSession({ cookie: {}, note: 'about __proto__' })).toEqual({
      cookie: {},
      note: 'about __proto__',
    });
  });

  it('keeps the attributes of its cookie and nothing else', () => {
    const attributes = {
      originalMaxAge: AN_HOUR,
      expires: '2030-01-01T00:00:00.000Z',
      sameSite: 'lax',
      secure: true,
    };
    expect(soundCookieOf({ cookie: { ...attributes, serialize: 1 } } as never)).toEqual(attributes);
  });
});
