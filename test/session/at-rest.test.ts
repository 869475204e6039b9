/** What stands in Redis: no live ids under `hashIds`, nothing to read or to change under `encryption`, no more than `maxBytes`. */
import { createHmac } from 'node:crypto';
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RedisSessionStore, type RedisSessionStoreOptions, sessions } from 'express-redis-suite/session';
import type { SessionData } from 'express-session';
import { serve } from '../support/http.js';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import {
  A_MINUTE,
  AN_HOUR,
  appWith,
  base64,
  commonActs,
  cookieOf,
  idIn,
  load,
  muteWarnings,
  PATIENT,
  plant,
  SECRET,
  save,
  TWO_WEEKS,
} from './support.js';

const OLD = 'an old secret of 32 random bytes or more';
const NEW = Buffer.from('a new secret of 32 random bytes or more.');

let client: TestClient;
let prefix: string;

beforeEach(async () => {
  client = await connect();
  prefix = `${uniqueNamespace()}:`;
  muteWarnings();
});

const storeWith = (options: Partial<RedisSessionStoreOptions>) =>
  new RedisSessionStore({ client, prefix, ...PATIENT, ...options });

const session = (fields: object = {}, lifetimeMs: number | null = AN_HOUR) =>
  ({ cookie: { originalMaxAge: lifetimeMs }, ...fields }) as SessionData;

const keyOf = (sid: string, secret: string | Buffer) =>
  prefix + createHmac('sha256', secret).update(sid).digest('base64url');

/** The sessions' keys, without tombstones. */
async function keys(): Promise<string[]> {
  return (await client.keys(`${prefix}*`)).filter((key) => !key.includes('gone:'));
}

async function onlyKey(): Promise<string> {
  const found = await keys();
  expect(found).toHaveLength(1);
  return found[0] as string;
}

describe('under hashIds', () => {
  it('no id stands in any key, and everything works as without', async () => {
    const app = await serve(
      appWith(sessions({ client, prefix, secret: SECRET, hashIds: NEW, ...PATIENT }), commonActs),
    );
    const browser = app.browser();
    const { id } = (await browser.get('/write/user/ada')).json();
    expect(await onlyKey()).toBe(keyOf(id, NEW));
    expect((await browser.get('/read')).json()).toEqual({ user: 'ada', id });
    const next = (await browser.get('/regenerate')).json().id;
    expect(await onlyKey()).toBe(keyOf(next, NEW));
    await browser.get('/destroy');
    expect(await keys()).toEqual([]);
    for (const key of await client.keys(`${prefix}*`)) expect(key).not.toContain(id);
  });

  it('the key of an entry is no id that gets one in', async () => {
    const store = storeWith({ hashIds: NEW });
    await store.set('id', session({ user: 'ada' }));
    const [handle = ''] = await store.ids();
    expect(await store.get(handle)).toBeNull();
    expect(await store.all()).toEqual([expect.objectContaining({ id: handle, user: 'ada' })]);
    await store.clear();
    expect(await store.get('id')).toBeNull();
  });

  it('sessions under an older secret move when they are read, with their beginning', async () => {
    const absoluteTtlMs = 8 * AN_HOUR;
    await storeWith({ hashIds: OLD, absoluteTtlMs }).set('id', session({ user: 'ada' }));
    const before = await client.get(keyOf('id', OLD));
    const rotated = storeWith({ hashIds: [NEW, OLD], absoluteTtlMs });
    expect(await rotated.get('id')).toEqual(session({ user: 'ada' }));
    expect(await onlyKey()).toBe(keyOf('id', NEW));
    expect(await client.get(keyOf('id', NEW))).toBe(before);
    await rotated.destroy('id');
    expect(await rotated.get('id')).toBeNull();
  });

  it('destroying one ends it under the older secrets as well', async () => {
    await storeWith({ hashIds: OLD }).set('id', session());
    await storeWith({ hashIds: [NEW, OLD] }).destroy('id');
    expect(await storeWith({ hashIds: OLD }).get('id')).toBeNull();
  });

  it.each([[''], ['short'], [[]], [['short']], [7], [[NEW, '']]])('%j is refused', (hashIds) => {
    expect(() => storeWith({ hashIds: hashIds as never })).toThrow(
      expect.objectContaining({ code: 'ERS_INVALID_OPTION', message: expect.not.stringContaining('short') }),
    );
  });
});

const encryption = { keys: [NEW] };

describe('under encryption', () => {
  it('nothing of a session can be read in Redis, and everything works as without', async () => {
    const app = await serve(
      appWith(sessions({ client, prefix, secret: SECRET, encryption, ...PATIENT }), commonActs),
    );
    const browser = app.browser();
    const { id } = (await browser.get('/write/user/ada-lovelace')).json();
    const text = (await client.get(prefix + id)) as string;
    expect(text).toMatch(/^ers1\./);
    expect(Buffer.from(text.split('.').at(-1) as string, 'base64url').toString('latin1')).not.toContain(
      'ada',
    );
    expect((await browser.get('/read')).json()).toMatchObject({ user: 'ada-lovelace' });
    await browser.get('/write/cart/apple');
    expect((await browser.get('/read')).json()).toMatchObject({ user: 'ada-lovelace', cart: 'apple' });
  });

  it('one session twice is not the same text', async () => {
    const store = storeWith({ encryption });
    const texts = new Set<string | null>();
    for (let i = 0; i < 5; i += 1) {
      await store.set('id', session({ user: 'ada' }));
      texts.add(await client.get(`${prefix}id`));
    }
    expect(texts.size).toBe(5);
  });

  it('the read slides in its one command, by the lifetime that stands in the open', async () => {
    const store = storeWith({ encryption, ttl: 7200, absoluteTtlMs: TWO_WEEKS });
    for (const [lifetimeMs, expectedMs] of [
      [AN_HOUR, AN_HOUR],
      [null, 2 * AN_HOUR],
      [2 * TWO_WEEKS, TWO_WEEKS],
    ] as const) {
      await store.set('id', session({}, lifetimeMs));
      await client.pExpire(`${prefix}id`, A_MINUTE);
      const data = (await store.get('id')) as SessionData;
      expect(await client.pTTL(`${prefix}id`)).toBeGreaterThan(expectedMs - A_MINUTE);
      expect(await client.pTTL(`${prefix}id`)).toBeLessThanOrEqual(expectedMs);
      let isDone = false;
      store.touch('id', data, () => {
        isDone = true;
      });
      expect(isDone).toBe(true);
    }
  });

  it.each<[string, Partial<RedisSessionStoreOptions>]>([
    ['a serializer', { serializer: base64 }],
    [
      'an asynchronous serializer',
      {
        serializer: {
          parse: async (text) => base64.parse(text),
          stringify: async (data) => base64.stringify(data),
        },
      },
    ],
    ['hashIds', { hashIds: [NEW, OLD] }],
    ['an absolute timeout', { absoluteTtlMs: AN_HOUR }],
    ['a limit', { maxBytes: 1000 }],
  ])('goes with %s: saves that meet are merged, and all() reads them', async (_, options) => {
    const store = storeWith({ encryption, ...options });
    await store.set('id', session());
    const [a, b] = [await load(store), await load(store)];
    await Promise.all([save(Object.assign(a, { a: 'ä' })), save(Object.assign(b, { b: 2 }))]);
    expect(await store.get('id')).toMatchObject({ a: 'ä', b: 2 });
    expect(await store.all()).toEqual([expect.objectContaining({ a: 'ä', b: 2 })]);
  });

  it('the first key writes, all read', async () => {
    await storeWith({ encryption: { keys: [OLD] } }).set('id', session({ user: 'ada' }));
    const rotated = storeWith({ encryption: { keys: [NEW, OLD] } });
    const data = (await rotated.get('id')) as SessionData;
    expect(data).toEqual(session({ user: 'ada' }));
    await rotated.set('id', Object.assign(data, { cart: 1 }));
    expect(await storeWith({ encryption }).get('id')).toMatchObject({ user: 'ada', cart: 1 });
    expect(await storeWith({ encryption: { keys: [OLD] } }).get('id')).toBeNull();
  });

  const flip = (text: string, at: number) =>
    text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);

  it.each<[string, (text: string) => string]>([
    ['another first character of the ciphertext', (text) => flip(text, text.lastIndexOf('.') + 1)],
    ['another character in the middle', (text) => flip(text, (text.lastIndexOf('.') + text.length) >> 1)],
    ['a later beginning', (text) => text.replace(/^(ers1\.[^.]+\.)\d*/, '$19999999999999')],
    ['a longer lifetime', (text) => text.replace(/^(ers1\.[^.]+\.\d*\.)\d*/, '$19999999999')],
    ['an unknown key', (text) => text.replace(/^ers1\.[^.]+/, 'ers1.AAAAAAAA')],
    ['a later version', (text) => text.replace('ers1', 'ers2')],
    ['its end cut off', (text) => text.slice(0, -8)],
    ['no ciphertext', (text) => text.slice(0, text.lastIndexOf('.') + 1)],
    ['plain JSON in its place', () => JSON.stringify(session({ user: 'eve' }))],
  ])('an entry with %s is no session', async (_, tamper) => {
    const store = storeWith({ encryption, absoluteTtlMs: AN_HOUR });
    await store.set('id', session({ user: 'ada' }));
    const text = (await client.get(`${prefix}id`)) as string;
    expect(tamper(text)).not.toBe(text);
    await client.set(`${prefix}id`, tamper(text), { PX: A_MINUTE });
    expect(await store.get('id')).toBeNull();
    expect(await store.all()).toEqual([]);
  });

  it("an entry is nothing under another's id", async () => {
    const store = storeWith({ encryption });
    await store.set('ada', session({ user: 'ada' }));
    await client.copy(`${prefix}ada`, `${prefix}eve`);
    expect(await store.get('eve')).toBeNull();
  });

  it.each([{}, { keys: [] }, { keys: ['short'] }, { keys: NEW }, { keys: [NEW, 7] }])(
    '%j is refused, and no key of it is said',
    (given) => {
      expect(() => storeWith({ encryption: given as never })).toThrow(
        expect.objectContaining({
          code: 'ERS_INVALID_OPTION',
          message: expect.not.stringContaining('short'),
        }),
      );
    },
  );
});

describe('under maxBytes', () => {
  it('a longer session is not stored, and says so', async () => {
    const store = storeWith({ maxBytes: 100 });
    await store.set('id', session({ user: 'ada' }));
    const large = session({ user: 'ä'.repeat(50) });
    await expect(store.set('id', large)).rejects.toMatchObject({ code: 'ERS_SESSION_TOO_LARGE' });
    await expect(store.set('other', large)).rejects.toMatchObject({ code: 'ERS_SESSION_TOO_LARGE' });
    expect(await store.get('id')).toEqual(session({ user: 'ada' }));
    expect(await store.get('other')).toBeNull();
  });

  it('two that fit alone and not together: the later one fails', async () => {
    const store = storeWith({ maxBytes: 260 });
    await plant(client, `${prefix}id`, {});
    const [a, b] = [await load(store), await load(store)];
    await save(Object.assign(a, { a: 'a'.repeat(100) }));
    await expect(save(Object.assign(b, { b: 'b'.repeat(100) }))).rejects.toMatchObject({
      code: 'ERS_SESSION_TOO_LARGE',
    });
    expect(await store.get('id')).toHaveProperty('a');
  });

  it('a handler that stores too much answers an error, and the session is as it was', async () => {
    const app = await serve(
      appWith(sessions({ client, prefix, secret: SECRET, maxBytes: 400, ...PATIENT }), commonActs),
    );
    await plant(client, `${prefix}id`, { user: 'ada' });
    const reply = await app.get(`/write/cart/${'x'.repeat(400)}`, { cookie: cookieOf('id') });
    expect([reply.status, reply.json().code]).toEqual([500, 'ERS_SESSION_TOO_LARGE']);
    expect(reply.headers['set-cookie']).toBeUndefined();
    expect((await app.get('/read', { cookie: cookieOf('id') })).json()).toEqual({ user: 'ada', id: 'id' });
  });

  it.each([0, 1.5, '1kb'])('%j is refused', (maxBytes) => {
    expect(() => storeWith({ maxBytes: maxBytes as never })).toThrow(
      expect.objectContaining({ code: 'ERS_INVALID_OPTION' }),
    );
  });
});

it('what cannot be read is said once a minute, without an id', async () => {
  const warn = jest.spyOn(console, 'warn');
  warn.mockClear();
  const store = storeWith({});
  for (const sid of ['sid-1', 'sid-2', 'sid-3']) {
    await client.set(prefix + sid, 'not json', { PX: A_MINUTE });
    expect(await store.get(sid)).toBeNull();
  }
  expect(warn).toHaveBeenCalledTimes(1);
  expect(String(warn.mock.calls[0])).not.toContain('sid-');
});

it('an id that is validly signed and unknown is never adopted', async () => {
  for (const options of [
    {},
    { hashIds: NEW },
    { encryption },
    { migrateFrom: storeWith({ prefix: `${prefix}old:` }) },
  ]) {
    const app = await serve(
      appWith(sessions({ client, prefix, secret: SECRET, ...PATIENT, ...options }), commonActs),
    );
    const reply = await app.get('/write/user/eve', { cookie: cookieOf('planted') });
    expect(reply.json().id).not.toBe('planted');
    expect(idIn(reply.headers['set-cookie']?.[0]?.split('=')[1])).toBe(reply.json().id);
    expect(await client.exists([`${prefix}planted`, keyOf('planted', NEW)])).toBe(0);
  }
});
