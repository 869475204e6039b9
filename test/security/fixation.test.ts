/** No id that somebody else chose, made up or forged is anybody's session. */
import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { login, sessions } from 'express-redis-suite/session';
import {
  type Act,
  AN_HOUR,
  appWith,
  commonActs,
  cookieOf,
  idIn,
  PATIENT,
  plant,
  SECRET,
} from '../session/support.js';
import { type Served, serve } from '../support/http.js';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';

const signed = (id: string, secret = SECRET) =>
  `s:${id}.${createHmac('sha256', secret).update(id).digest('base64').replace(/=+$/, '')}`;
const inCookie = (value: string) => `connect.sid=${encodeURIComponent(value)}`;

const logIn: Act = async (req, res) => {
  await login(req as never, { user: 'ada' } as never);
  res.json({ id: req.sessionID });
};

async function shop(): Promise<{ app: Served; client: TestClient; prefix: string }> {
  const client = await connect();
  const prefix = `${uniqueNamespace()}:`;
  const middleware = sessions({ client, prefix, secret: [SECRET, 'the secret before'], ...PATIENT });
  return { app: await serve(appWith(middleware, { ...commonActs, '/login': logIn })), client, prefix };
}

describe('a cookie that was planted before the login', () => {
  it('is worth nothing afterwards, whoever signed it', async () => {
    const { app, client, prefix } = await shop();
    await plant(client, `${prefix}planted`, { cart: 'apple' });
    const victim = app.browser();
    victim.cookies.set('connect.sid', encodeURIComponent(signed('planted')));
    expect((await victim.get('/read')).json()).toMatchObject({ cart: 'apple' });
    const { id } = (await victim.get('/login')).json();
    expect(id).not.toBe('planted');
    expect(idIn(victim.cookies.get('connect.sid'))).toBe(id);
    expect((await app.get('/read', { cookie: cookieOf('planted') })).json()).not.toHaveProperty('user');
    expect(await client.exists(`${prefix}planted`)).toBe(0);
  });

  it('is not taken as an id, though it is signed and nobody has it', async () => {
    const { app, client, prefix } = await shop();
    for (const path of ['/write/cart/apple', '/login']) {
      const reply = await app.get(path, { cookie: cookieOf('chosen') });
      expect(reply.json().id).not.toBe('chosen');
    }
    expect(await client.exists(`${prefix}chosen`)).toBe(0);
  });
});

describe('a forged cookie', () => {
  const signature = signed('id').slice('s:id.'.length);

  it.each<[string, string]>([
    ['unsigned', 'connect.sid=id'],
    ['said to be signed', inCookie('s:id')],
    ['with a signature of nothing', inCookie('s:id.')],
    ['signed with another secret', inCookie(signed('id', 'guessed'))],
    ['signed with no secret', inCookie(signed('id', ''))],
    ['with a signature cut short', inCookie(`s:id.${signature.slice(0, -1)}`)],
    ['with a signature and more', inCookie(`s:id.${signature}=`)],
    ['with a signature in other letters', inCookie(`s:id.${signature.toLowerCase()}A`)],
    ['with the signature of another id', inCookie(`s:id.${signed('other').split('.')[1]}`)],
    ['with an id of other letters', inCookie(`s:ID.${signature}`)],
    ['with an id in full width', inCookie(`s:ｉｄ.${signature}`)],
    ['with a NUL', inCookie(`s:id\u0000.${signature}`)],
    ['as JSON', inCookie(`j:{"id":"id"}`)],
    ['as an array', `connect.sid[]=${encodeURIComponent(signed('id'))}`],
    ['as an array of JSON', inCookie(`j:["${signed('id')}"]`)],
    ['under another name', `CONNECT.SID=${encodeURIComponent(signed('id'))}`],
    ['that does not decode', 'connect.sid=s%3Aid.%E0%A4%A'],
    ['behind a forged one', `${inCookie('s:id.forged')}; ${inCookie(signed('id'))}`],
    ['behind a thousand', `${'connect.sid=s%3Aid.a; '.repeat(500)}${inCookie(signed('id'))}`],
  ])('%s opens nothing', async (_name, cookie) => {
    const { app, client, prefix } = await shop();
    await plant(client, `${prefix}id`, { user: 'ada' });
    const read = await app.get('/read', { cookie });
    expect([read.status, read.json()]).toEqual([200, { id: expect.not.stringMatching(/^id$/) }]);
  });

  it.each(['gone:{x}', '../id', '*', '', 'x'.repeat(10_000), '\ud800', '__proto__', 'id\r\nDEL id'])(
    'signed by the app itself for the id %p reaches no other key',
    async (id) => {
      const { app, client, prefix } = await shop();
      await plant(client, `${prefix}id`, { user: 'ada' });
      const cookie =
        id.length > 5_000 ? inCookie(signed(id)).slice(0, 14_000) : inCookie(signed(wellFormed(id)));
      const read = await app.get('/read', { cookie });
      expect([read.status, read.json().user]).toEqual([200, undefined]);
      expect(await client.pTTL(`${prefix}id`)).toBeGreaterThan(AN_HOUR / 2);
    },
  );
});

/** No cookie can hold a lone surrogate. */
function wellFormed(id: string): string {
  return Buffer.from(id).toString();
}
