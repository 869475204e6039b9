/** What any store of express-session should do: one list of cases, run against whichever store, with a score. */
import { deepStrictEqual, equal, notEqual, ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import expressSession, { type SessionData, type Store } from 'express-session';
import { type Browser, serve } from '../support/http.js';
import {
  type Act,
  AN_HOUR,
  type AnySession,
  appWith,
  barrier,
  commonActs,
  cookieOf,
  idIn,
  SECRET,
} from './support.js';

/** An empty store, whose sessions nobody else has. */
export type MakeStore = () => Promise<Store>;

export interface Case {
  readonly group: 'core' | 'callbacks' | 'lifetimes' | 'concurrency' | 'hostile input';
  readonly name: string;
  /** Throws where the store fails. */
  run(make: MakeStore): Promise<void>;
}

export interface Score {
  readonly passed: number;
  readonly total: number;
  /** The names of the cases that failed. */
  readonly failed: readonly string[];
}

export async function scoreOf(make: MakeStore, chosen: readonly Case[] = cases): Promise<Score> {
  const failed: string[] = [];
  for (const { group, name, run } of chosen) {
    const isPassed = await run(make).then(
      () => true,
      () => false,
    );
    if (!isPassed) failed.push(`${group}: ${name}`);
  }
  return { passed: chosen.length - failed.length, total: chosen.length, failed };
}

type Fields = Readonly<Record<string, unknown>>;

/** A store by promises, over its callbacks: what express-session itself uses. */
function asked(store: Store) {
  const call = <T>(act: (done: (error?: unknown, result?: T | null) => void) => unknown) =>
    Promise.race([
      new Promise<T | null | undefined>((resolve, reject) => {
        act((error, result) => (error ? reject(error) : resolve(result)));
      }),
      sleep(5000, undefined, { ref: false }).then((): never => {
        throw new Error('no answer');
      }),
    ]);
  return {
    get: async (id: string) => (await call<SessionData>((done) => store.get(id, done))) as AnySession | null,
    set: (id: string, session: unknown) => call((done) => store.set(id, session as SessionData, done)),
    touch: (id: string, session: unknown) =>
      call((done) => store.touch?.(id, session as SessionData, done as never)),
    destroy: (id: string) => call((done) => store.destroy(id, done)),
    length: () => call<number>((done) => store.length?.(done as never)),
    clear: () => call((done) => store.clear?.(done)),
    all: async () =>
      Object.values((await call<object>((done) => store.all?.(done as never))) ?? {}) as AnySession[],
  };
}

function session(fields: Fields = {}, maxAgeMs: number | null = AN_HOUR): SessionData {
  const expires = maxAgeMs === null ? null : new Date(Date.now() + maxAgeMs);
  return { cookie: { originalMaxAge: maxAgeMs, expires, httpOnly: true, path: '/' }, ...fields } as never;
}

function fieldsOf(found: AnySession | null): Fields {
  ok(found, 'there is no session');
  return JSON.parse(JSON.stringify({ ...found, cookie: undefined }));
}

const core: readonly [string, Case['run']][] = [
  [
    'an unknown id has no session, and that is no error',
    async (make) => ok(!(await asked(await make()).get('a'))),
  ],
  [
    'what was set is there',
    async (make) => {
      const store = asked(await make());
      await store.set('a', session({ user: 'ada', n: 0 }));
      deepStrictEqual(fieldsOf(await store.get('a')), { user: 'ada', n: 0 });
    },
  ],
  [
    'what was set anew replaces all of it',
    async (make) => {
      const store = asked(await make());
      await store.set('a', session({ user: 'ada' }));
      await store.set('a', session({ cart: [] }));
      deepStrictEqual(fieldsOf(await store.get('a')), { cart: [] });
    },
  ],
  [
    'a session that was read and changed is not changed before it is set',
    async (make) => {
      const store = asked(await make());
      await store.set('a', session({ user: 'ada' }));
      Object.assign((await store.get('a')) as AnySession, { user: 'eve' });
      deepStrictEqual(fieldsOf(await store.get('a')), { user: 'ada' });
    },
  ],
  [
    'text in any script, and nested, empty and long values come back as they were',
    async (make) => {
      const store = asked(await make());
      const fields = {
        'schlüssel 😀': '日本\u0000"\\',
        list: [1, { a: null }, []],
        none: '',
        long: 'x'.repeat(300_000),
      };
      await store.set('a', session(fields));
      deepStrictEqual(fieldsOf(await store.get('a')), fields);
    },
  ],
  [
    'what was destroyed is gone',
    async (make) => {
      const store = asked(await make());
      await store.set('a', session());
      await store.destroy('a');
      ok(!(await store.get('a')));
    },
  ],
  ['to destroy what is not there is no error', async (make) => void (await asked(await make()).destroy('a'))],
  [
    'a touch changes no field',
    async (make) => {
      const store = asked(await make());
      await store.set('a', session({ user: 'ada' }));
      await store.touch('a', session({ user: 'eve' }));
      deepStrictEqual(fieldsOf(await store.get('a')), { user: 'ada' });
    },
  ],
  [
    'a touch makes no session',
    async (make) => {
      const store = asked(await make());
      await store.touch('a', session());
      ok(!(await store.get('a')));
    },
  ],
  [
    'length, all and clear see every session once',
    async (make) => {
      const store = asked(await make());
      const ids = Array.from({ length: 120 }, (_, i) => `id-${i}`);
      await Promise.all(ids.map((id) => store.set(id, session({ name: id }))));
      equal(await store.length(), 120);
      deepStrictEqual((await store.all()).map(({ name }) => name).sort(), [...ids].sort());
      await store.clear();
      equal(await store.length(), 0);
      ok(!(await store.get('id-7')));
    },
  ],
  [
    'all, length and clear of an empty store are empty',
    async (make) => {
      const store = asked(await make());
      await store.clear();
      deepStrictEqual([await store.length(), await store.all()], [0, []]);
    },
  ],
];

const callbacks: readonly [string, Case['run']][] = [
  [
    'set, touch and destroy work without a callback',
    async (make) => {
      const plain = await make();
      const store = asked(plain);
      await plain.set('a', session({ user: 'ada' }));
      await eventuallyTrue(async () => Boolean(await store.get('a')));
      await plain.touch?.('a', session());
      await plain.destroy('a');
      await eventuallyTrue(async () => !(await store.get('a')));
    },
  ],
  [
    'each callback is called once',
    async (make) => {
      const store = await make();
      const calls: string[] = [];
      store.set('a', session(), () => calls.push('set'));
      await sleep(100);
      store.get('a', () => calls.push('get'));
      store.touch?.('a', session(), (() => calls.push('touch')) as never);
      store.length?.(() => calls.push('length'));
      store.all?.(() => calls.push('all'));
      await sleep(200);
      store.destroy('a', () => calls.push('destroy'));
      await sleep(100);
      deepStrictEqual(calls.sort(), ['all', 'destroy', 'get', 'length', 'set', 'touch']);
    },
  ],
  [
    'get, set and destroy return promises too',
    async (make) => {
      const store = (await make()) as unknown as Record<
        'get' | 'set' | 'destroy',
        (...args: unknown[]) => Promise<unknown>
      >;
      await store.set('a', session({ user: 'ada' }));
      deepStrictEqual(fieldsOf((await store.get('a')) as AnySession), { user: 'ada' });
      await store.destroy('a');
      ok(!(await store.get('a')));
    },
  ],
  [
    'a session that cannot be serialized is an error of its callback, not one that is thrown',
    async (make) => {
      const store = await make();
      const circle: Record<string, unknown> = {};
      circle.self = circle;
      let hasThrown = false;
      const error = await new Promise((resolve) => {
        try {
          store.set('a', session({ circle }), resolve);
        } catch {
          hasThrown = true;
          resolve(undefined);
        }
      });
      equal(hasThrown, false);
      ok(error);
    },
  ],
];

const lifetimes: readonly [string, Case['run']][] = [
  [
    'a session ends with its own lifetime, to the fraction of a second',
    async (make) => {
      const store = asked(await make());
      await store.set('a', session({}, 3000));
      await sleep(250);
      ok(await store.get('a'));
      await store.set('b', session({}, 300));
      await sleep(550);
      ok(!(await store.get('b')));
    },
  ],
  [
    'one that has ended is not listed',
    async (make) => {
      const store = asked(await make());
      await store.set('a', session({}, 200));
      await store.set('b', session({ name: 'b' }));
      await sleep(1300);
      deepStrictEqual(
        (await store.all()).map(({ name }) => name),
        ['b'],
      );
      equal(await store.length(), 1);
    },
  ],
  [
    'a touch prolongs it',
    async (make) => {
      const store = asked(await make());
      await store.set('a', session({}, 2000));
      await sleep(500);
      await store.touch('a', session({}, 6000));
      await sleep(2000);
      ok(await store.get('a'));
    },
  ],
  [
    'one that ends with the browser is kept for a while',
    async (make) => {
      const store = asked(await make());
      await store.set('a', session({}, null));
      await sleep(100);
      ok(await store.get('a'));
    },
  ],
  [
    'one that is used all the time does not end, though it was saved long ago',
    async (make) => {
      const { browser } = await logIn(await make(), 2000);
      for (let time = 0; time < 4; time += 1) {
        await sleep(700);
        equal((await browser.get('/read')).json().user, 'ada');
      }
    },
  ],
  [
    'one that is saved after the end that its last save foresaw, while in use, lives on',
    async (make) => {
      const { browser } = await logIn(await make(), 2500);
      await sleep(1500);
      await browser.get('/read');
      await sleep(1300);
      equal((await browser.get('/save')).status, 200);
      equal((await browser.get('/read')).json().user, 'ada');
    },
  ],
];

const concurrency: readonly [string, Case['run']][] = [
  [
    'two requests that change different fields both do',
    async (make) => {
      const { browser, during } = await logIn(await make());
      await during('/slow/cart/apple', () => browser.get('/write/coupon/ten'));
      const { cart, coupon } = (await browser.get('/read')).json();
      deepStrictEqual({ cart, coupon }, { cart: 'apple', coupon: 'ten' });
    },
  ],
  [
    'a change that was saved is not undone by a request that changes nothing else',
    async (make) => {
      const { browser, during } = await logIn(await make());
      await during('/slow', () => browser.get('/write/coupon/ten'));
      equal((await browser.get('/read')).json().coupon, 'ten');
    },
  ],
  [
    'a request that is under way does not bring back a session that was destroyed',
    async (make) => {
      const { app, id, during } = await logIn(await make());
      const cookie = cookieOf(id);
      await during('/slow/cart/apple', () => app.get('/destroy', { cookie }));
      equal((await app.get('/read', { cookie })).json().user, undefined);
    },
  ],
  [
    'nor does one that changes nothing',
    async (make) => {
      const { app, id, during } = await logIn(await make());
      const cookie = cookieOf(id);
      await during('/slow', () => app.get('/destroy', { cookie }));
      equal((await app.get('/read', { cookie })).json().user, undefined);
    },
  ],
  [
    'nor one that was given a new id',
    async (make) => {
      const { app, id, during } = await logIn(await make());
      const cookie = cookieOf(id);
      await during('/slow/cart/apple', () => app.get('/regenerate', { cookie }));
      equal((await app.get('/read', { cookie })).json().user, undefined);
    },
  ],
];

const HOSTILE_IDS = [
  '*',
  'a?',
  '[ab]',
  '{a}',
  'a b',
  '\r\n',
  '\u0000',
  'é😀',
  '__proto__',
  'constructor',
  'x'.repeat(5000),
];

const hostile: readonly [string, Case['run']][] = [
  ...HOSTILE_IDS.map((id): [string, Case['run']] => [
    `the id ${JSON.stringify(id.slice(0, 20))} is an id like any other`,
    async (make) => {
      const store = asked(await make());
      await store.set('neighbour', session({ name: 'neighbour' }));
      ok(!(await store.get(id)));
      await store.set(id, session({ name: id }));
      deepStrictEqual(fieldsOf(await store.get(id)), { name: id });
      await store.destroy(id);
      ok(!(await store.get(id)));
      ok(await store.get('neighbour'));
    },
  ]),
  [
    'an unknown id in a signed cookie is not adopted',
    async (make) => {
      const { app } = await logIn(await make());
      const browser = app.browser();
      browser.cookies.set('connect.sid', cookieOf('planted').slice('connect.sid='.length));
      await browser.get('/write/user/ada');
      notEqual(idIn(browser.cookies.get('connect.sid')), 'planted');
    },
  ],
  [
    'a key called __proto__ reaches no prototype',
    async (make) => {
      const store = asked(await make());
      await store
        .set('a', JSON.parse(`{"cookie":{"originalMaxAge":null},"__proto__":{"isAdmin":true}}`))
        .catch(() => {});
      const found = await store.get('a').catch(() => null);
      equal(Object.assign({}, found).isAdmin, undefined);
    },
  ],
  [
    'an id that is destroyed over and over does no harm',
    async (make) => {
      const store = asked(await make());
      await store.set('b', session({ name: 'b' }));
      await Promise.all(Array.from({ length: 50 }, () => store.destroy('a')));
      ok(await store.get('b'));
    },
  ],
];

export const cases: readonly Case[] = [
  ...named('core', core),
  ...named('callbacks', callbacks),
  ...named('lifetimes', lifetimes),
  ...named('concurrency', concurrency),
  ...named('hostile input', hostile),
];

function named(group: Case['group'], list: readonly [string, Case['run']][]): Case[] {
  return list.map(([name, run]) => ({ group, name, run }));
}

async function logIn(store: Store, maxAge = AN_HOUR) {
  const [loaded, goOn] = [barrier(), barrier()];
  const settings = {
    store,
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    rolling: true,
    cookie: { maxAge },
  };
  const answerSlowly: Act = async (req, res) => {
    loaded.open();
    await goOn.passed;
    if (req.params.name) req.session[req.params.name as string] = req.params.value;
    res.end('slow');
  };
  const app = await serve(
    appWith(expressSession(settings), {
      ...commonActs,
      '/slow': answerSlowly,
      '/slow/:name/:value': answerSlowly,
    }),
  );
  const browser: Browser = app.browser();
  await browser.get('/write/user/ada');
  const id = idIn(browser.cookies.get('connect.sid'));

  /** Has `meanwhile` happen between the load and the save of a request. */
  async function during(path: string, meanwhile: () => Promise<unknown>): Promise<void> {
    const slow = app.get(path, { cookie: cookieOf(id) });
    await loaded.passed;
    await meanwhile();
    goOn.open();
    await slow;
    // Some stores save behind the response.
    await sleep(50);
  }
  return { app, browser, id, during };
}

async function eventuallyTrue(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100 && !(await isSo()); tries += 1) await sleep(20);
  ok(await isSo());
}
