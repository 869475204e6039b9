/** How long sessions live: by their own cookie, slid by reading, never cut short by somebody else's old view. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { RedisSessionStore, type RedisSessionStoreOptions } from 'express-redis-suite/session';
import expressSession, { type SessionData } from 'express-session';
import { isLifetimeChanged, lifetimeMsOf } from '../../lib/session/lifetime.js';
import { serve } from '../support/http.js';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import {
  A_MINUTE,
  AN_HOUR,
  appWith,
  base64,
  commonActs,
  cookieOf,
  muteWarnings,
  PATIENT,
  plant,
  SECRET,
  stored,
  TWO_WEEKS,
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

function storeWith(options: Partial<RedisSessionStoreOptions> = {}) {
  return new RedisSessionStore({ client, prefix, ...PATIENT, ...options });
}

async function appOn(options: Partial<RedisSessionStoreOptions> = {}) {
  const settings = { store: storeWith(options), secret: SECRET, resave: false, saveUninitialized: false };
  return serve(appWith(expressSession(settings), commonActs));
}

async function expectTtl(ms: number) {
  const ttlMs = await client.pTTL(key);
  expect(ttlMs).toBeGreaterThan(ms - 10_000);
  expect(ttlMs).toBeLessThanOrEqual(ms);
}

const sessionWith = (cookie: object) => ({ cookie }) as SessionData;

describe('a read', () => {
  it("slides a session by its own cookie's lifetime", async () => {
    await plant(client, key, {}, { originalMaxAge: TWO_WEEKS }, A_MINUTE);
    await storeWith().get('id');
    await expectTtl(TWO_WEEKS);
  });

  it("slides a session whose cookie ends with the browser by the store's ttl", async () => {
    await plant(client, key, {}, { originalMaxAge: null }, A_MINUTE);
    await storeWith({ ttl: 7200 }).get('id');
    await expectTtl(2 * AN_HOUR);
  });

  it('never shortens a time to live', async () => {
    await plant(client, key, {}, { originalMaxAge: A_MINUTE }, AN_HOUR);
    await storeWith().get('id');
    await expectTtl(AN_HOUR);
  });

  it('finds the lifetime wherever the JSON has it', async () => {
    await client.set(key, JSON.stringify({ a: 1, cookie: { path: '/', originalMaxAge: AN_HOUR } }), {
      PX: A_MINUTE,
    });
    await storeWith().get('id');
    await expectTtl(AN_HOUR);
  });

  it.each([
    ['not of JSON', 'c2Vzc2lvbg=='],
    ['without a cookie', '{"user":"ada"}'],
    ['with a lifetime of text', '{"cookie":{"originalMaxAge":"soon"}}'],
    ['with a lifetime beyond all numbers', '{"cookie":{"originalMaxAge":1e999}}'],
    ['with a negative lifetime', '{"cookie":{"originalMaxAge":-5}}'],
  ])('leaves the time to live of an entry %s alone', async (_, text) => {
    await client.set(key, text, { PX: A_MINUTE });
    await storeWith().get('id');
    await expectTtl(A_MINUTE);
  });

  it('writes the time to live only once it has shrunk by touchAfterMs, and by half in any case', async () => {
    const store = storeWith({ touchAfterMs: 10 * A_MINUTE });
    await plant(client, key, {}, {}, 55 * A_MINUTE);
    const data = (await store.get('id')) as SessionData;
    await expectTtl(55 * A_MINUTE);
    let isDone = false;
    store.touch('id', data, () => {
      isDone = true;
    });
    expect(isDone).toBe(true);
    await client.pExpire(key, 49 * A_MINUTE);
    await store.get('id');
    await expectTtl(AN_HOUR);
    await plant(client, key, {}, { originalMaxAge: A_MINUTE }, A_MINUTE / 3);
    await store.get('id');
    await expectTtl(A_MINUTE);
  });

  it('gives a session without a time to live one', async () => {
    await plant(client, key, {});
    await client.persist(key);
    await storeWith().get('id');
    await expectTtl(AN_HOUR);
  });

  it.each(['disableTouch', 'disableTTL'] as const)('slides nothing under %s', async (option) => {
    await plant(client, key, {}, { originalMaxAge: TWO_WEEKS }, A_MINUTE);
    const store = storeWith({ [option]: true });
    await store.touch('id', (await store.get('id')) as SessionData);
    await expectTtl(A_MINUTE);
  });
});

describe('a touch', () => {
  it('calls back before it returns when the read has slid the session', async () => {
    await plant(client, key, {});
    const store = storeWith();
    const session = (await store.get('id')) as SessionData;
    let isCalled = false;
    store.touch('id', session, () => {
      isCalled = true;
    });
    expect(isCalled).toBe(true);
  });

  it('slides what a script cannot judge: another serializer, a ttl function', async () => {
    for (const options of [{ serializer: base64 }, { ttl: () => 3600 }]) {
      const store = storeWith(options);
      await store.set('id', sessionWith({ originalMaxAge: AN_HOUR }));
      await client.pExpire(key, A_MINUTE);
      await store.touch('id', (await store.get('id')) as SessionData);
      await expectTtl(AN_HOUR);
    }
  });

  it('goes by touchAfterMs where the read could not tell', async () => {
    const store = storeWith({ serializer: base64, touchAfterMs: 10 * A_MINUTE });
    await store.set('id', sessionWith({ originalMaxAge: AN_HOUR }));
    for (const [before, after] of [
      [55 * A_MINUTE, 55 * A_MINUTE],
      [45 * A_MINUTE, AN_HOUR],
    ] as const) {
      await client.pExpire(key, before);
      await store.touch('id', (await store.get('id')) as SessionData);
      await expectTtl(after);
    }
  });

  it('goes by expires where that is all there is', async () => {
    const store = storeWith();
    const inMs = (ms: number) => sessionWith({ expires: new Date(Date.now() + ms).toISOString() });
    await store.set('id', inMs(A_MINUTE));
    await expectTtl(A_MINUTE);
    await store.touch('id', inMs(AN_HOUR));
    await expectTtl(AN_HOUR);
  });

  it('never shortens, and never brings back', async () => {
    const store = storeWith();
    await store.set('id', sessionWith({ originalMaxAge: AN_HOUR }));
    await store.touch('id', sessionWith({ originalMaxAge: A_MINUTE }));
    await expectTtl(AN_HOUR);
    await client.unlink(key);
    await store.touch('id', sessionWith({ originalMaxAge: A_MINUTE }));
    expect(await client.exists(key)).toBe(0);
  });
});

describe('in a request', () => {
  it('a lifetime that the handler changes is kept, longer or shorter', async () => {
    await plant(client, key, {});
    const app = await appOn();
    for (const ms of [TWO_WEEKS, A_MINUTE]) {
      await app.get(`/lifetime/${ms}`, { cookie: cookieOf('id') });
      await expectTtl(ms);
      await app.get('/read', { cookie: cookieOf('id') });
      await expectTtl(ms);
    }
  });

  it.each([0, -1])('a maxAge of %i ends the session', async (ms) => {
    await plant(client, key, {});
    await (await appOn()).get(`/lifetime/${ms}`, { cookie: cookieOf('id') });
    expect(await client.exists(key)).toBe(0);
  });

  it('a save moves the date in the JSON on, and does not wear the lifetime down', async () => {
    const past = new Date(Date.now() - 1000).toISOString();
    await plant(client, key, {}, { originalMaxAge: AN_HOUR, expires: past });
    await (await appOn()).get('/save', { cookie: cookieOf('id') });
    const { cookie } = (await stored(client, key)) as { cookie: { originalMaxAge: number; expires: string } };
    expect(cookie.originalMaxAge).toBe(AN_HOUR);
    expect(Date.parse(cookie.expires)).toBeGreaterThan(Date.now() + AN_HOUR - A_MINUTE);
  });
});

describe('a set', () => {
  it('takes milliseconds from the cookie and fractions of seconds from the ttl', async () => {
    await storeWith().set('id', sessionWith({ originalMaxAge: 1500 }));
    const ttlMs = await client.pTTL(key);
    expect(ttlMs).toBeGreaterThan(0);
    expect(ttlMs).toBeLessThanOrEqual(1500);
    expect(lifetimeMsOf(sessionWith({}), 0.5, 0)).toBe(500);
  });

  it('destroys a session whose lifetime is over', async () => {
    const store = storeWith();
    const ended = [{ originalMaxAge: 0 }, { originalMaxAge: -1 }, { expires: new Date(0) }];
    for (const [id, cookie] of ended.entries()) {
      await store.set(`${id}`, sessionWith({ originalMaxAge: AN_HOUR }));
      await store.set(`${id}`, sessionWith(cookie));
      expect(await client.exists(`${prefix}${id}`)).toBe(0);
    }
  });

  it('stores without a time to live under disableTTL, and only then', async () => {
    await storeWith({ disableTTL: true }).set('id', sessionWith({ originalMaxAge: AN_HOUR }));
    expect(await client.pTTL(key)).toBe(-1);
  });

  it.each([
    ['maxAge', { originalMaxAge: Number.NaN, expires: new Date(Number.NaN) }],
    ['expires', { expires: new Date(Number.NaN) }],
  ])('takes a cookie whose %s is none for one that ends with the browser', async (_name, cookie) => {
    const secret = 'a secret of 32 bytes or more, as is asked for';
    for (const options of [{}, { encryption: { keys: [secret] } }]) {
      const store = storeWith({ ttl: 3600, ...options });
      await store.set('id', { ...sessionWith(cookie), user: 'ada' } as never);
      await expectTtl(AN_HOUR);
      expect(await store.get('id')).toMatchObject({ user: 'ada' });
    }
  });

  it('asks a ttl function, and refuses what is no number', async () => {
    await storeWith({ ttl: (session) => ((session as { user?: string }).user === 'ada' ? 3600 : 60) }).set(
      'id',
      {
        ...sessionWith({ originalMaxAge: TWO_WEEKS }),
        user: 'ada',
      } as never,
    );
    await expectTtl(AN_HOUR);
    const broken = storeWith({ ttl: () => Number.NaN }).set('id', sessionWith({}));
    await expect(broken).rejects.toMatchObject({ code: 'ERS_INVALID_OPTION' });
  });
});

describe('options', () => {
  it.each([
    { ttl: 0 },
    { ttl: -1 },
    { ttl: Number.NaN },
    { ttl: '60' },
    { deadlineMs: 0 },
    { scanCount: 0.5 },
    { prefix: 7 },
    { serializer: {} },
  ])('%j is refused with a code and a remedy', (options) => {
    expect(() => storeWith(options as never)).toThrow(
      expect.objectContaining({ code: 'ERS_INVALID_OPTION' }),
    );
  });

  it('a client that is none is refused', () => {
    expect(() => storeWith({ client: {} as never })).toThrow(
      expect.objectContaining({ code: 'ERS_INVALID_CLIENT' }),
    );
  });
});

describe('a lifetime', () => {
  it.each([
    [AN_HOUR, AN_HOUR - 3, false],
    [AN_HOUR, TWO_WEEKS, true],
    [AN_HOUR, null, true],
    [null, undefined, false],
    [null, AN_HOUR, true],
  ])('that goes from %s to %s is changed: %s', (before, after, isChanged) => {
    expect(isLifetimeChanged(before, after)).toBe(isChanged);
  });
});

describe('the date in a cookie', () => {
  const soon = () => new Date(Date.now() + 0.2 * AN_HOUR).toISOString();
  const dateIn = (session: unknown) => new Date((session as SessionData).cookie.expires as never).getTime();

  it('is shown as far away as the read has moved the end of the session, and stored as the browser has it', async () => {
    const expires = soon();
    await plant(client, key, { user: 'ada' }, { expires });
    const store = storeWith();
    const data = (await store.get('id')) as SessionData;
    expect(Math.abs(dateIn(data) - Date.now() - AN_HOUR)).toBeLessThan(A_MINUTE);
    await store.set('id', Object.assign(data, { user: 'alan' }));
    expect(await stored(client, key)).toMatchObject({ user: 'alan', cookie: { expires } });
  });

  it('is stored as somebody sets it', async () => {
    await plant(client, key, { user: 'ada' }, { expires: soon() });
    const store = storeWith();
    const data = (await store.get('id')) as SessionData;
    const later = new Date(Date.now() + TWO_WEEKS);
    data.cookie.expires = later;
    await store.set('id', data);
    expect(dateIn(await stored(client, key))).toBe(later.getTime());
  });

  it('stays where it is when nothing is slid', async () => {
    const expires = soon();
    await plant(client, key, { user: 'ada' }, { expires });
    expect(dateIn(await storeWith({ disableTouch: true }).get('id'))).toBe(Date.parse(expires));
  });
});
