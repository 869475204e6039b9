/** The browser's cookie lives as long as its session does: it is sent again when half its life is over, privately. */
import { promisify } from 'node:util';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { sessions } from 'express-redis-suite/session';
import { MemoryStore } from 'express-session';
import { serve } from '../support/http.js';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import {
  type Act,
  AN_HOUR,
  appWith,
  barrier,
  commonActs,
  cookieOf,
  PATIENT,
  plant,
  SECRET,
  stored,
} from './support.js';

let client: TestClient;
let prefix: string;
let key: string;

beforeEach(async () => {
  client = await connect();
  prefix = `${uniqueNamespace()}:`;
  key = `${prefix}id`;
});

const signedIn = { cookie: cookieOf('id') };

const acts: Readonly<Record<string, Act>> = {
  ...commonActs,
  '/public': (_req, res) => res.set('cache-control', 'public, s-maxage=60, max-age=10').send('page'),
  '/head': (_req, res) => res.writeHead(200, { 'Cache-Control': 'public', 'X-One': '1' }).end('head'),
  '/list': (_req, res) => res.writeHead(200, ['Cache-Control', 'public', 'X-One', '1']).end('list'),
  '/stream': (_req, res) => {
    res.write('first ');
    res.end('last');
  },
  '/browser': (req, res) => {
    req.session.cookie.maxAge = null as never;
    res.end('ends with the browser');
  },
};

async function start(options: object = {}, more: Readonly<Record<string, Act>> = {}) {
  const middleware = sessions({ client, prefix, secret: SECRET, ...PATIENT, ...options });
  return { app: await serve(appWith(middleware, { ...acts, ...more })), store: middleware.store };
}

/** A session of an hour, whose cookie the browser got `ageMs` ago. */
async function plantOf(ageMs: number) {
  await plant(
    client,
    key,
    { user: 'ada' },
    { expires: new Date(Date.now() + AN_HOUR - ageMs).toISOString() },
  );
}

const DUE = 0.6 * AN_HOUR;

describe('a response that only reads', () => {
  it('sends the cookie again after half its life, once, and no shared cache may store it', async () => {
    await plantOf(DUE);
    const { app } = await start();
    const { headers, text } = await app.get('/read', signedIn);
    expect(headers['set-cookie']).toHaveLength(1);
    expect(Date.parse(/Expires=([^;]+)/.exec(headers['set-cookie']?.[0] ?? '')?.[1] ?? '')).toBeGreaterThan(
      Date.now() + 0.9 * AN_HOUR,
    );
    expect(headers['cache-control']).toBe('private');
    expect(JSON.parse(text)).toMatchObject({ user: 'ada' });
    const again = (await app.get('/read', signedIn)).headers;
    expect([again['set-cookie'], again['cache-control']]).toEqual([undefined, undefined]);
  });

  it('sends the cookie of a session that came from another store, which may have moved its date', async () => {
    const old = new MemoryStore();
    const cookie = { originalMaxAge: AN_HOUR, expires: new Date(Date.now() + AN_HOUR).toISOString() };
    await promisify(old.set).call(old, 'id', { cookie, user: 'ada' } as never);
    const { app } = await start({ migrateFrom: old });
    const answers = [await app.get('/read', signedIn), await app.get('/read', signedIn)];
    expect(answers.map(({ headers }) => headers['set-cookie']?.length)).toEqual([1, undefined]);
    expect(answers[1]?.json()).toMatchObject({ user: 'ada' });
  });

  it('leaves the cookie alone before', async () => {
    await plantOf(0.4 * AN_HOUR);
    const before = await client.get(key);
    expect((await (await start()).app.get('/read', signedIn)).headers['set-cookie']).toBeUndefined();
    expect(await client.get(key)).toBe(before);
  });

  it.each(['/public', '/head', '/list'])('is private with the cookie whatever %s declares', async (path) => {
    await plantOf(DUE);
    const { headers } = await (await start()).app.get(path, signedIn);
    expect(headers['set-cookie']).toHaveLength(1);
    expect(headers['cache-control']).toMatch(/^private/);
    expect(headers['cache-control']).not.toMatch(/public|s-maxage/);
    if (path !== '/public') expect(headers['x-one']).toBe('1');
  });

  it('is streamed with its new cookie', async () => {
    await plantOf(DUE);
    const { headers, text } = await (await start()).app.get('/stream', signedIn);
    expect([headers['set-cookie']?.length, text]).toEqual([1, 'first last']);
  });

  it('is answered without the cookie when Redis takes no writes', async () => {
    await plantOf(DUE);
    const { app, store } = await start();
    store.set = (_sid, _session, cb) =>
      Promise.resolve(cb?.(Object.assign(new Error('READONLY'), { code: 'ERS_REDIS_REFUSED' })));
    const { status, headers } = await app.get('/read', signedIn);
    expect([status, headers['set-cookie'], headers['cache-control']]).toEqual([200, undefined, undefined]);
  });

  it('brings no cookie back of a session that was destroyed meanwhile', async () => {
    await plantOf(DUE);
    const [isLoaded, mayGoOn] = [barrier(), barrier()];
    const { app } = await start(
      {},
      {
        '/slow': async (_req, res) => {
          isLoaded.open();
          await mayGoOn.passed;
          res.end('slow');
        },
      },
    );
    const late = app.get('/slow', signedIn);
    await isLoaded.passed;
    await app.get('/destroy', signedIn);
    mayGoOn.open();
    expect((await late).headers['set-cookie']).toBeUndefined();
    expect(await client.exists(key)).toBe(0);
  });

  it('leaves the cookie alone where the lifetime runs from the last save', async () => {
    await plantOf(DUE);
    const { app } = await start({ disableTouch: true });
    expect((await app.get('/read', signedIn)).headers['set-cookie']).toBeUndefined();
  });
});

describe('a changed lifetime', () => {
  it('reaches the browser, also when it now ends with the browser', async () => {
    await plantOf(0);
    const { app } = await start();
    expect((await app.get('/lifetime/60000', signedIn)).headers['set-cookie']?.[0]).toMatch(/Expires=/);
    expect((await app.get('/browser', signedIn)).headers['set-cookie']?.[0]).not.toMatch(/Expires=/);
    expect(await stored(client, key)).toMatchObject({ cookie: { originalMaxAge: null } });
  });

  it('of nobody leaves a cookie alone that ends with the browser', async () => {
    await plant(client, key, {}, { originalMaxAge: null });
    expect((await (await start()).app.get('/write/a/b', signedIn)).headers['set-cookie']).toBeUndefined();
  });
});
