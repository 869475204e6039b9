/** Under `sessions()` a response leaves when its session is stored, and otherwise leaves as if nobody had looked. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import express, { type RequestHandler, type Response } from 'express';
import { responseCache } from 'express-redis-suite/response-cache';
import { sessions } from 'express-redis-suite/session';
import { answerTo, carelessHandlers } from '../support/careless-handlers.js';
import { onTestEnd } from '../support/cleanup.js';
import { serve } from '../support/http.js';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import {
  A_MINUTE,
  type Act,
  appWith,
  barrier,
  commonActs,
  cookieOf,
  idIn,
  PATIENT,
  plant,
  SECRET,
  stored,
} from './support.js';

let client: TestClient;
let prefix: string;

beforeEach(async () => {
  client = await connect();
  prefix = `${uniqueNamespace()}:`;
  await plant(client, `${prefix}id`, { user: 'ada' });
});

const signedIn = { cookie: cookieOf('id') };

function make(options: object = {}) {
  return sessions({ client, prefix, secret: SECRET, cookie: { maxAge: A_MINUTE }, ...PATIENT, ...options });
}

/** An app whose saves can be made to fail or to wait. */
async function start(acts: Readonly<Record<string, Act>>, options: object = {}) {
  const middleware = make(options);
  const { store } = middleware;
  const { set } = store;
  const broken = Object.assign(new Error('broken'), { code: 'ERS_REDIS_REFUSED' });
  const app = await serve(appWith(middleware, acts));
  return {
    app,
    store,
    breakSaves(error: Error = broken) {
      store.set = (_sid, _session, cb) => Promise.resolve(cb?.(error));
    },
    lateSaves() {
      const { passed, open } = barrier();
      store.set = async (...args) => {
        await passed;
        return set.apply(store, args);
      };
      return open;
    },
  };
}

/** Every way to answer, with the session changed before. */
const answers: Readonly<Record<string, (res: Response) => unknown>> = {
  'res.json': (res) => res.json({ answer: 42 }),
  'res.send': (res) => res.send('hello'),
  'res.redirect': (res) => res.redirect('/elsewhere'),
  'res.end without a body': (res) => res.end(),
  'res.end with a callback': (res) => res.end('hello', () => {}),
  'res.sendStatus': (res) => res.sendStatus(204),
  'writeHead with headers': (res) => res.writeHead(201, { 'x-one': '1', 'content-length': '5' }).end('hello'),
  'writeHead with a reason and a list': (res) => res.writeHead(202, 'Fine', ['x-one', '1']).end('hello'),
  'several writes': (res) => {
    res.write('one ');
    res.write(Buffer.from('two '));
    res.write('dHJlcw==', 'base64');
    res.end('!');
  },
  'a pipe': (res) => Readable.from(Array.from({ length: 50 }, (_, i) => `${i} `.repeat(2000))).pipe(res),
  // A response that was dropped closes before its source has ended, which pipeline reports.
  'a pipeline': (res) =>
    void pipeline(Readable.from(['one ', 'two']), new PassThrough(), res).catch(() => {}),
  'flushHeaders first': (res) => {
    res.status(203);
    res.flushHeaders();
    res.end('hello');
  },
  'an own cookie': (res) => res.cookie('theme', 'dark').send('hello'),
};

describe.each(Object.entries(answers))('%s', (_, answer) => {
  const acts: Record<string, Act> = {
    '/read': (_req, res) => answer(res),
    '/write': (req, res) => {
      req.session.written = true;
      answer(res);
    },
    '/new': async (req, res) => {
      req.session.written = true;
      await new Promise(setImmediate);
      answer(res);
    },
  };

  it('is the same with a session as without', async () => {
    const plain = await (
      await serve(
        express()
          .use('/', (_req, res) => void answer(res))
          .disable('x-powered-by'),
      )
    ).get('/');
    const { app } = await start(acts);
    for (const path of ['/read', '/write', '/new']) {
      const reply = await app.get(path, path === '/new' ? {} : signedIn);
      expect(shape(reply)).toEqual(shape(plain));
    }
  });

  it('waits for the save, and sets the cookie', async () => {
    const { app, lateSaves } = await start(acts);
    const open = lateSaves();
    const request = http.get(`${app.url}/new`);
    const reply = once(request, 'response') as Promise<[http.IncomingMessage]>;
    const early = new Promise((resolve) => setTimeout(() => resolve('nothing yet'), 60));
    expect(await Promise.race([reply, early])).toBe('nothing yet');
    open();
    const [res] = await reply;
    res.resume();
    const id = idIn(
      res.headers['set-cookie']?.find((line) => line.startsWith('connect.sid='))?.split(/[=;]/)[1],
    );
    expect(await stored(client, prefix + id)).toMatchObject({ written: true });
  });

  it('becomes a 503 when the save fails, without a word of what was to be said', async () => {
    const { app, breakSaves } = await start(acts);
    breakSaves();
    for (const path of ['/write', '/new']) {
      const reply = await app.get(path, path === '/new' ? {} : signedIn);
      expect(reply.status).toBe(503);
      expect(reply.headers['retry-after']).toBe('1');
      expect(reply.headers['set-cookie']).toBeUndefined();
      expect(reply.headers['x-one']).toBeUndefined();
      expect(reply.headers.location).toBeUndefined();
      expect(reply.text).toBe('Service Unavailable\n');
    }
  });

  function shape(reply: { status: number; headers: http.IncomingHttpHeaders; text: string }) {
    const { date: _date, 'set-cookie': cookies, ...headers } = reply.headers;
    const own = cookies?.filter((line) => !line.startsWith('connect.sid='));
    return { status: reply.status, headers, text: reply.text, cookies: own?.length ? own : undefined };
  }
});

describe('a response', () => {
  it('to HEAD and one of 304 stay without a body', async () => {
    const { app } = await start({
      '/': (req, res) => {
        req.session.seen = Math.random();
        res.set('etag', '"one"').send('hello');
      },
    });
    const head = await app.send('/', { method: 'HEAD', headers: signedIn });
    expect([head.status, head.headers['content-length'], head.text]).toEqual([200, '5', '']);
    const same = await app.get('/', { ...signedIn, 'if-none-match': '"one"' });
    expect([same.status, same.text]).toEqual([304, '']);
  });

  it('to HEAD whose save fails is a 503 without a body', async () => {
    const { app, breakSaves } = await start(commonActs);
    breakSaves();
    const head = await app.send('/write/a/b', { method: 'HEAD', headers: signedIn });
    expect([head.status, head.text]).toEqual([503, '']);
  });

  it('that only reads is not held, whatever else happens to its session', async () => {
    const { app, lateSaves } = await start(commonActs);
    const open = lateSaves();
    const writing = app.get('/write/a/b', signedIn);
    expect((await app.get('/read', signedIn)).status).toBe(200);
    open();
    await writing;
  });

  it('streams as it is written, and what changes meanwhile is saved at its end', async () => {
    const mayEnd = barrier();
    const { app } = await start({
      '/': async (req, res) => {
        res.write('first ');
        await mayEnd.passed;
        req.session.late = 'yes';
        res.end('last');
      },
    });
    const [res] = (await once(http.get(app.url, { headers: signedIn }), 'response')) as [
      http.IncomingMessage,
    ];
    const [chunk] = await once(res, 'data');
    expect(String(chunk)).toBe('first ');
    mayEnd.open();
    await once(res, 'end');
    expect(await stored(client, `${prefix}id`)).toMatchObject({ late: 'yes' });
  });

  it('is cut off when what changed after its first byte cannot be saved', async () => {
    const { app, breakSaves } = await start({
      '/': (req, res) => {
        res.write('first ');
        req.session.late = 'yes';
        res.end('last');
      },
    });
    breakSaves();
    await expect(app.get('/', signedIn)).rejects.toThrow(/aborted|hang up/);
  });

  it('is cut off when its head was made before the change that cannot be saved', async () => {
    const { app, breakSaves } = await start({
      '/': (req, res) => {
        res.writeHead(200);
        req.session.late = 'yes';
        res.end('last');
      },
    });
    breakSaves();
    await expect(app.get('/', signedIn)).rejects.toThrow(/aborted|hang up/);
  });

  it('keeps what was set before sessions() when it becomes a 503', async () => {
    const app = express();
    app.use((_req, res, next) => {
      res.set('access-control-allow-origin', '*').set('x-request-id', '7');
      next();
    });
    const middleware = make();
    middleware.store.set = (_sid, _session, cb) =>
      Promise.resolve(cb?.(Object.assign(new Error('broken'), { code: 'ERS_REDIS_UNAVAILABLE' })));
    app.use(middleware);
    app.get('/', (req, res) => {
      Object.assign(req.session, { a: 1 });
      res.set('x-request-id', 'changed').set('etag', '"x"').set('cache-control', 'public').send('hello');
    });
    const { status, headers } = await (await serve(app)).get('/');
    expect(status).toBe(503);
    expect(headers).toMatchObject({
      'access-control-allow-origin': '*',
      'x-request-id': '7',
      'cache-control': 'no-store',
    });
    expect(headers.etag).toBeUndefined();
  });

  it('of an error that is no trouble of Redis goes to the error handlers, with nothing saved', async () => {
    const { app } = await start({
      '/circular': (req, res) => {
        req.session.self = req.session;
        res.json({ fine: true });
      },
      '/bigint': (req, res) => {
        req.session.n = 1n;
        res.json({ fine: true });
      },
      '/no-session': (req, res) => {
        req.session = { user: 'eve' } as never;
        res.json({ fine: true });
      },
    });
    for (const path of ['/circular', '/bigint', '/no-session']) {
      const reply = await app.get(path, signedIn);
      expect(reply.status).toBe(500);
      expect(reply.headers['set-cookie']).toBeUndefined();
    }
    expect(await stored(client, `${prefix}id`)).toMatchObject({ user: 'ada' });
  });

  it('is no success when a callback of the user throws nothing, or rejects with it', async () => {
    const throwNothing = () => {
      throw undefined;
    };
    const given = [
      { ttl: throwNothing },
      { userId: throwNothing },
      { serializer: { parse: JSON.parse, stringify: () => Promise.reject() } },
    ];
    for (const options of given) {
      const { app } = await start(commonActs, options);
      expect((await app.get('/write/n/1')).status).toBe(500);
    }
  });

  it('with a header that node refuses goes to the error handlers', async () => {
    const { app } = await start({
      '/': (req, res) => {
        req.session.n = 1;
        res.writeHead(200, { 'x-bad': 'a\r\nb' }).end('hello');
      },
    });
    expect((await app.get('/', signedIn)).json()).toMatchObject({ code: 'ERR_INVALID_CHAR' });
  });

  it('may be ended twice, and written to afterwards', async () => {
    const { app, breakSaves } = await start({
      '/': (req, res) => {
        req.session.n = Math.random();
        res.on('error', () => {});
        res.end('once');
        res.end('twice');
        setTimeout(() => res.write('late'), 30);
      },
    });
    expect((await app.get('/', signedIn)).text).toBe('once');
    breakSaves();
    expect((await app.get('/', signedIn)).status).toBe(503);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await app.get('/', signedIn)).status).toBe(503);
  });

  it('looks sent while it is held, so that nobody begins a second one', async () => {
    let headersSent: boolean | undefined;
    const { app } = await start({
      '/': (req, res) => {
        req.session.n = 1;
        res.status(201).end('first');
        headersSent = res.headersSent;
        res.status(500);
      },
    });
    const reply = await app.get('/', signedIn);
    expect([headersSent, reply.status, reply.text]).toEqual([true, 201, 'first']);
  });

  it('of a session that never looks the same twice leaves all the same', async () => {
    const { app } = await start({
      '/': (req, res) => {
        Object.defineProperty(req.session, 'chance', { enumerable: true, get: Math.random });
        res.end('answered');
      },
    });
    expect((await app.get('/', signedIn)).text).toBe('answered');
  });

  it('of a client that went away is still worth a save', async () => {
    const mayAnswer = barrier();
    const isClosed = barrier();
    const { app } = await start({
      '/': async (req, res) => {
        res.on('close', isClosed.open);
        await mayAnswer.passed;
        req.session.paid = true;
        res.write('too ');
        res.end('late');
      },
    });
    const request = http.get(app.url, { headers: signedIn });
    request.on('error', () => {});
    setTimeout(() => request.destroy(), 50);
    await isClosed.passed;
    mayAnswer.open();
    for (let tries = 0; tries < 100; tries += 1) {
      if ((await stored(client, `${prefix}id`))?.paid) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(await stored(client, `${prefix}id`)).toMatchObject({ paid: true });
  });

  it('on one connection is followed by the next, also after a 503', async () => {
    const { app, breakSaves } = await start(commonActs);
    breakSaves();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    onTestEnd(() => agent.destroy());
    for (const [path, status] of [
      ['/write/a/b', 503],
      ['/read', 200],
      ['/write/a/b', 503],
    ] as const) {
      const request = http.get(`${app.url}${path}`, { agent, headers: signedIn });
      const [res] = (await once(request, 'response')) as [http.IncomingMessage];
      res.resume();
      await once(res, 'end');
      expect(res.statusCode).toBe(status);
    }
  });
});

describe('destroying', () => {
  it('without waiting for it holds the answer until it is done', async () => {
    const { app } = await start({
      '/': (req, res) => {
        req.session.destroy(() => {});
        res.redirect('/bye');
      },
    });
    expect((await app.get('/', signedIn)).status).toBe(302);
    expect(await client.exists(`${prefix}id`)).toBe(0);
  });

  it("by req.session = null under unset: 'destroy' happens before the answer", async () => {
    const { app } = await start(
      {
        '/': (req, res) => {
          req.session = null as never;
          res.redirect('/bye');
        },
      },
      { unset: 'destroy' },
    );
    expect((await app.get('/', signedIn)).status).toBe(302);
    expect(await client.exists(`${prefix}id`)).toBe(0);
    expect((await app.get('/')).status).toBe(302);
  });

  it('by req.session = null is forgotten by default: the session stays', async () => {
    const { app } = await start({
      '/': (req, res) => {
        req.session = null as never;
        res.end();
      },
    });
    expect((await app.get('/', signedIn)).status).toBe(200);
    expect(await client.exists(`${prefix}id`)).toBe(1);
  });
});

describe('options of express-session', () => {
  it('resave saves what did not change, once', async () => {
    const { app } = await start(commonActs, { resave: true });
    const before = await client.get(`${prefix}id`);
    await app.get('/read', signedIn);
    expect(await client.get(`${prefix}id`)).not.toBe(before);
  });

  it('saveUninitialized saves an empty session', async () => {
    const { app } = await start(commonActs, { saveUninitialized: true });
    const { id } = (await app.get('/read')).json();
    expect(await stored(client, prefix + id)).toMatchObject({ cookie: expect.any(Object) });
  });

  it('rolling sends the cookie again with a read', async () => {
    const { app } = await start(commonActs, { rolling: true });
    expect((await app.get('/read', signedIn)).headers['set-cookie']).toHaveLength(1);
    expect((await app.get('/read')).headers['set-cookie']).toBeUndefined();
  });

  it('works under node:http without Express, and mounted under a path of a sub-app', async () => {
    const middleware = make();
    const plain = await serve((req, res) =>
      middleware(req, res, () => {
        Object.assign((req as unknown as { session: object }).session, { plain: 1 });
        res.end('plain');
      }),
    );
    expect((await plain.get('/')).headers['set-cookie']).toHaveLength(1);
    const sub = express().use(make(), (req, res) => void res.json(Object.assign(req.session, { sub: 1 })));
    const mounted = await serve(express().use('/deep', express().use('/deeper', sub)));
    expect((await mounted.get('/deep/deeper/x', signedIn)).json()).toMatchObject({ user: 'ada', sub: 1 });
    expect(await stored(client, `${prefix}id`)).toMatchObject({ sub: 1 });
  });

  it('may be mounted twice, and leaves requests outside the path of its cookie alone', async () => {
    const app = express().use(make(), make());
    app.get('/', (req, res) => void res.json(Object.assign(req.session, { twice: 1 })));
    expect((await (await serve(app)).get('/', signedIn)).json()).toMatchObject({ user: 'ada', twice: 1 });
    const narrow = express().use(make({ cookie: { path: '/admin' } }));
    narrow.get('/shop', (req, res) => void res.json({ session: req.session === undefined }));
    expect((await (await serve(narrow)).get('/shop', signedIn)).json()).toEqual({ session: true });
  });

  it('gives a revalidating request an empty session that is never saved', async () => {
    const app = express();
    app.use((req, _res, next) => {
      Object.assign(req, { [Symbol.for('express-redis-suite.revalidation')]: true });
      next();
    });
    app.use(make(), (req, res, next) => {
      Object.assign(req.session, { seen: 1 });
      req.session.save((error) =>
        error ? next(error) : res.json({ user: (req.session as never as { user?: string }).user }),
      );
    });
    const reply = await (await serve(app)).get('/', signedIn);
    expect(reply.json()).toEqual({});
    expect(reply.headers['set-cookie']).toBeUndefined();
    expect(await client.keys(`${prefix}*`)).toEqual([`${prefix}id`]);
  });
});

it('a server closes at once after all of this', async () => {
  const server = http.createServer(appWith(make(), commonActs)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/write/a/b`).then((res) =>
    res.text(),
  );
  server.closeIdleConnections();
  server.close();
  await once(server, 'close');
});

describe('a handler that changes its session', () => {
  const change: RequestHandler = (req, _res, next) => {
    Object.assign(Reflect.get(req, 'session') as object, { changed: true });
    next();
  };
  // Of a response that is broken off, nothing need have left before.
  const whole = carelessHandlers.filter(([name]) => !/two heads|in the middle/.test(name));

  it.each(whole)('and %s is answered for as without a session', async (_name, handler) => {
    expect(await answerTo(handler, [make(), change])).toEqual(await answerTo(handler, []));
  });

  it.each(whole)('and %s is so behind a response cache, too', async (_name, handler) => {
    const cache = responseCache({ client, namespace: prefix });
    expect(await answerTo(handler, [make(), change, cache])).toEqual(await answerTo(handler, []));
  });
});
