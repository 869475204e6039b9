/** Two requests on one session, in exactly the order that loses something: on connect-redis, and here. */
import { once } from 'node:events';
import http from 'node:http';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { RedisStore } from 'connect-redis';
import { RedisSessionStore, sessions } from 'express-redis-suite/session';
import expressSession, { type SessionData } from 'express-session';
import { serve } from '../support/http.js';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import {
  A_MINUTE,
  type Act,
  AN_HOUR,
  type AnySession,
  appWith,
  barrier,
  commonActs,
  cookieOf,
  load,
  muteWarnings,
  PATIENT,
  plant,
  SECRET,
  save,
  stored,
  TWO_WEEKS,
} from './support.js';

type Make = (client: TestClient, prefix: string) => RedisStore;
const theirs: Make = (client, prefix) => new RedisStore({ client, prefix });
const ours: Make = (client, prefix) => new RedisSessionStore({ client, prefix, ...PATIENT });

let client: TestClient;
let prefix: string;
let key: string;

beforeEach(async () => {
  muteWarnings();
  client = await connect();
  prefix = `${uniqueNamespace()}:`;
  key = `${prefix}id`;
  await plant(client, key, { cart: ['apple'] });
});

interface Race {
  readonly name: string;
  run(store: RedisStore): Promise<unknown>;
  readonly here: unknown;
  readonly there: unknown;
}

const contents = async () => {
  const { cookie: _cookie, ...rest } = (await stored(client, key)) ?? { gone: true };
  return rest;
};

const races: readonly Race[] = [
  {
    name: 'R1 A.GET B.GET B.SET{y} A.SET{x}',
    async run(store) {
      const [a, b] = [await load(store), await load(store)];
      b.y = 1;
      await save(b);
      a.x = 1;
      await save(a);
      return contents();
    },
    here: { cart: ['apple'], x: 1, y: 1 },
    there: { cart: ['apple'], x: 1 },
  },
  {
    name: 'R2 A.GET B.GET B.DEL A.SET',
    async run(store) {
      const [a, b] = [await load(store), await load(store)];
      await store.destroy(b.id);
      a.x = 1;
      await save(a);
      return contents();
    },
    here: { gone: true },
    there: { cart: ['apple'], x: 1 },
  },
  {
    name: 'R3 the same around a new id',
    async run(store) {
      (store as unknown as { generate(req: object): void }).generate = (req) =>
        store.createSession(Object.assign(req, { sessionID: 'new' }) as never, { cookie: {} } as SessionData);
      const [a, b] = [await load(store), await load(store)];
      const req = (b as unknown as { req: { session: AnySession } }).req;
      await new Promise((resolve) => b.regenerate(resolve));
      await save(req.session);
      a.x = 1;
      await save(a);
      return [await client.exists(key), await client.exists(`${prefix}new`)];
    },
    here: [0, 1],
    there: [1, 1],
  },
  {
    name: 'R5 A.GET(1h) B.SET(14d) A.EXPIRE 3600',
    async run(store) {
      const [a, b] = [await load(store), await load(store)];
      b.cookie.maxAge = TWO_WEEKS;
      await save(b);
      await store.touch('id', a.touch() as never);
      return (await client.pTTL(key)) > TWO_WEEKS / 2;
    },
    here: true,
    there: false,
  },
  {
    name: 'R6 a second save of the same request',
    async run(store) {
      const [a, b] = [await load(store), await load(store)];
      a.seen = 1;
      await save(a);
      b.cart = ['apple', 'pear'];
      await save(b);
      a.seen = 2;
      await save(a);
      a.seen = 3;
      await save(a);
      return contents();
    },
    here: { cart: ['apple', 'pear'], seen: 3 },
    there: { cart: ['apple'], seen: 3 },
  },
];

describe.each(races)('$name', ({ run, here, there }) => {
  it('in connect-redis', async () => {
    expect(await run(theirs(client, prefix))).toEqual(there);
  });

  it('here', async () => {
    expect(await run(ours(client, prefix))).toEqual(here);
  });
});

describe('saves that meet', () => {
  it('keep what a connect-redis process saved meanwhile', async () => {
    const [a, b] = [await load(ours(client, prefix)), await load(theirs(client, prefix))];
    b.y = 1;
    await save(b);
    a.x = 1;
    await save(a);
    expect(await contents()).toEqual({ cart: ['apple'], x: 1, y: 1 });
  });

  it('keep both when each deletes another key', async () => {
    await plant(client, key, { one: 1, two: 2, three: 3 });
    const store = ours(client, prefix);
    const [a, b] = [await load(store), await load(store)];
    delete a.one;
    delete b.two;
    await Promise.all([save(a), save(b)]);
    expect(await contents()).toEqual({ three: 3 });
  });

  it('go by the later one where both changed the same key', async () => {
    const store = ours(client, prefix);
    const [a, b] = [await load(store), await load(store)];
    b.cart = ['b'];
    await save(b);
    a.cart = ['a'];
    await save(a);
    expect(await contents()).toEqual({ cart: ['a'] });
  });

  it('keep the longer lifetime that another request gave the session', async () => {
    const store = ours(client, prefix);
    const [a, b] = [await load(store), await load(store)];
    b.cookie.maxAge = TWO_WEEKS;
    await save(b);
    a.x = 1;
    await save(a);
    expect(await client.pTTL(key)).toBeGreaterThan(TWO_WEEKS - A_MINUTE);
    expect(await stored(client, key)).toMatchObject({ cookie: { originalMaxAge: TWO_WEEKS } });
  });

  it('keep the longer lifetime that another request gives the session between two saves that merge', async () => {
    const store = ours(client, prefix);
    const [a, b] = [await load(store), await load(store)];
    a.cookie.maxAge = TWO_WEEKS;
    await save(a);
    b.cookie.maxAge = 2 * AN_HOUR;
    await save(b);
    await save(Object.assign(a, { x: 1 }));
    b.cookie.maxAge = 2 * TWO_WEEKS;
    await save(b);
    await save(Object.assign(a, { x: 2 }));
    expect(await client.pTTL(key)).toBeGreaterThan(2 * TWO_WEEKS - A_MINUTE);
    expect(a.cookie.originalMaxAge).toBeGreaterThan(2 * TWO_WEEKS - A_MINUTE);
  });

  it('send the browser a cookie of the lifetime that is stored after the merge', async () => {
    const isLoaded = barrier();
    const mayGoOn = barrier();
    const acts: Record<string, Act> = {
      ...commonActs,
      '/slow': async (req, res) => {
        isLoaded.open();
        await mayGoOn.passed;
        req.session.slow = 'yes';
        res.end('slow');
      },
    };
    const app = await serve(appWith(sessions({ client, prefix, secret: SECRET, ...PATIENT }), acts));
    const cookie = { cookie: cookieOf('id') };
    const slow = app.get('/slow', cookie);
    await isLoaded.passed;
    await app.get(`/lifetime/${TWO_WEEKS}`, cookie);
    mayGoOn.open();
    const [sent = ''] = (await slow).headers['set-cookie'] ?? [];
    const expires = Date.parse(/Expires=([^;]+)/.exec(sent)?.[1] ?? '');
    expect(expires).toBeGreaterThan(Date.now() + TWO_WEEKS - A_MINUTE);
  });

  it('lose nothing when fifty requests of two processes change a key each', async () => {
    const stores = [ours(client, prefix), ours(await connect(), prefix)] as const;
    const loaded = await Promise.all(Array.from({ length: 50 }, (_, i) => load(stores[i % 2] as RedisStore)));
    loaded.forEach((session, i) => {
      session[`key${i}`] = i;
    });
    await Promise.all(loaded.map(save));
    expect(Object.keys(await contents())).toHaveLength(51);
  });

  it('go by onConflict where both changed the same field, in different ways', async () => {
    const seen: unknown[] = [];
    function both(...values: unknown[]) {
      seen.push(values);
      return [values[0], values[1]].flat().filter((value) => value !== undefined);
    }
    await plant(client, key, { cart: ['apple'], same: 1, gone: 1 });
    const store = new RedisSessionStore({ client, prefix, onConflict: both, ...PATIENT });
    const [a, b] = [await load(store), await load(store)];
    Object.assign(b, { cart: ['b'], same: 2, theirs: 1, gone: undefined });
    await save(b);
    Object.assign(a, { cart: ['a'], same: 2, mine: 1, gone: 2 });
    await save(a);
    expect(await contents()).toEqual({ cart: ['a', 'b'], same: 2, theirs: 1, mine: 1, gone: [2] });
    expect(seen).toEqual([
      [['a'], ['b'], ['apple'], 'cart'],
      [2, undefined, 1, 'gone'],
    ]);
  });

  it("under onConflict: 'reject' fail with a code, and write nothing", async () => {
    const store = new RedisSessionStore({ client, prefix, onConflict: 'reject', ...PATIENT });
    const [a, b] = [await load(store), await load(store)];
    b.cart = ['b'];
    await save(b);
    Object.assign(a, { cart: ['a'], other: 1 });
    await expect(save(a)).rejects.toMatchObject({ code: 'ERS_SESSION_CONFLICT' });
    expect(await contents()).toEqual({ cart: ['b'] });
    const [c, d] = [await load(store), await load(store)];
    Object.assign(c, { c: 1 });
    Object.assign(d, { d: 1 });
    await Promise.all([save(c), save(d)]);
    expect(await contents()).toEqual({ cart: ['b'], c: 1, d: 1 });
  });

  it('fail when onConflict returns a promise, which nobody would wait for', async () => {
    const onConflict = async () => Promise.reject(new Error('unheard'));
    const store = new RedisSessionStore({ client, prefix, onConflict, ...PATIENT });
    const [a, b] = [await load(store), await load(store)];
    await save(Object.assign(b, { cart: ['b'] }));
    await expect(save(Object.assign(a, { cart: ['a'] }))).rejects.toThrow(TypeError);
    expect(await contents()).toEqual({ cart: ['b'] });
  });

  it('fail with what an onConflict function throws', async () => {
    const broken = new TypeError('of onConflict');
    const onConflict = () => {
      throw broken;
    };
    const store = new RedisSessionStore({ client, prefix, onConflict, ...PATIENT });
    const [a, b] = [await load(store), await load(store)];
    b.cart = ['b'];
    await save(b);
    a.cart = ['a'];
    await expect(save(a)).rejects.toBe(broken);
    expect(await contents()).toEqual({ cart: ['b'] });
  });

  it('find nothing to save into where somebody put another type of value, or no session', async () => {
    for (const spoil of [
      () => client.set(key, 'x'),
      () => client.del(key).then(() => client.hSet(key, 'a', '1')),
    ]) {
      await client.del(key);
      await plant(client, key, {});
      const a = await load(ours(client, prefix));
      await spoil();
      a.x = 1;
      await save(a);
      expect(await client.type(key)).not.toBe('none');
      expect(await ours(client, prefix).get('id')).toBeNull();
    }
  });
});

describe('over HTTP', () => {
  const settings = { secret: SECRET, resave: false, saveUninitialized: false, cookie: { maxAge: AN_HOUR } };

  async function race(second: string, isWriting = true) {
    const [isLoaded, mayGoOn] = [barrier(), barrier()];
    const acts: Record<string, Act> = {
      ...commonActs,
      '/slow': async (req, res) => {
        isLoaded.open();
        await mayGoOn.passed;
        if (isWriting) req.session.slow = 'yes';
        res.end('slow');
      },
    };
    const app = await serve(
      appWith(sessions({ client, prefix, secret: SECRET, rolling: true, ...PATIENT }), acts),
    );
    const cookie = { cookie: cookieOf('id') };
    const slow = app.get('/slow', cookie);
    await isLoaded.passed;
    const reply = await app.get(second, cookie);
    mayGoOn.open();
    return { slow: await slow, reply };
  }

  it('a slow request does not undo a logout, nor bring its cookie back', async () => {
    const { slow } = await race('/destroy');
    expect(await client.exists(key)).toBe(0);
    expect(slow.status).toBe(200);
    expect(slow.headers['set-cookie']).toBeUndefined();
  });

  it('R4 a slow request that wrote does not replace the cookie of a login', async () => {
    const { slow, reply } = await race('/regenerate');
    expect(reply.headers['set-cookie']).toHaveLength(1);
    expect(await client.exists(key)).toBe(0);
    expect(slow.headers['set-cookie']).toBeUndefined();
  });

  it.each(['/destroy', '/regenerate'])(
    'R4 a slow request that only read does not send its cookie, rolling or not, after %s',
    async (second) => {
      const { slow } = await race(second, false);
      expect([slow.status, slow.text]).toEqual([200, 'slow']);
      expect(slow.headers['set-cookie']).toBeUndefined();
    },
  );

  it('a slow request that only read sends its cookie under rolling when the session is there', async () => {
    const { slow } = await race('/write/quick/yes', false);
    expect(slow.headers['set-cookie']).toHaveLength(1);
  });

  it('R4 on connect-redis: the cookie of a slow request that only read replaces that of the login', async () => {
    const [isLoaded, mayGoOn] = [barrier(), barrier()];
    const acts: Record<string, Act> = {
      ...commonActs,
      '/slow': async (_req, res) => {
        isLoaded.open();
        await mayGoOn.passed;
        res.end('slow');
      },
    };
    const store = theirs(client, prefix);
    const app = await serve(appWith(expressSession({ ...settings, store, rolling: true }), acts));
    const browser = app.browser();
    await browser.get('/write/user/ada');
    const slow = browser.get('/slow');
    await isLoaded.passed;
    await browser.get('/regenerate');
    mayGoOn.open();
    await slow;
    expect((await browser.get('/read')).json()).not.toHaveProperty('user');
  });

  it.each([
    ['connect-redis', undefined],
    ['sessions()', 'ada'],
  ])(
    'R8 with %s, after a new id without anything in it beside a login the browser is %s',
    async (name, user) => {
      const middleware =
        name === 'sessions()'
          ? sessions({ client, prefix, secret: SECRET, ...PATIENT })
          : expressSession({ ...settings, store: theirs(client, prefix) });
      const mayAnswer = barrier();
      const isRegenerated = barrier();
      const acts: Record<string, Act> = {
        ...commonActs,
        '/anonymous': (req, res) =>
          req.session.regenerate(async () => {
            isRegenerated.open();
            await mayAnswer.passed;
            res.end('anonymous');
          }),
      };
      const browser = (await serve(appWith(middleware, acts))).browser();
      await browser.get('/write/cart/apple');
      const anonymous = browser.get('/anonymous');
      await isRegenerated.passed;
      await browser.get('/regenerate');
      mayAnswer.open();
      await anonymous;
      expect((await browser.get('/read')).json().user).toBe(user);
    },
  );

  it('a slow request keeps what a quick one saved', async () => {
    await race('/write/quick/yes');
    expect(await contents()).toEqual({ cart: ['apple'], quick: 'yes', slow: 'yes' });
  });

  const redirecting = {
    'express-session on connect-redis': () => {
      const store = theirs(client, prefix);
      return { store, middleware: expressSession({ ...settings, store }) };
    },
    'sessions()': () => {
      const middleware = sessions({ ...settings, client, prefix, ...PATIENT });
      return { store: middleware.store, middleware };
    },
  };

  it.each([
    ['ahead of', 'express-session on connect-redis'],
    ['after', 'sessions()'],
  ] as const)('R7 a redirect leaves %s its session under %s', async (order, name) => {
    const { store, middleware } = redirecting[name]();
    const mayStore = barrier();
    const { set } = store;
    store.set = async function setLate(...args: Parameters<typeof set>) {
      await mayStore.passed;
      return set.apply(store, args);
    };
    const acts: Record<string, Act> = {
      '/': (req, res) => {
        req.session.user = 'ada';
        res.redirect('/home');
      },
    };
    const app = await serve(appWith(middleware, acts));
    const request = http.get(app.url, (res) => res.resume());
    const reply = once(request, 'response').then(() => 'ahead of');
    const later = new Promise((resolve) => setTimeout(() => resolve('after'), 300));
    expect(await Promise.race([reply, later])).toBe(order);
    mayStore.open();
    await reply;
  });
});
