// RFC 5861, 3, and XFetch: who asks is answered at once, and the page is renewed by a request of the cache's own.
import { AsyncLocalStorage } from 'node:async_hooks';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import express from 'express';
import { type ResponseCacheOptions, responseCache } from 'express-redis-suite/response-cache';
import { sessions } from 'express-redis-suite/session';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { startFleet } from './fleet.js';
import { expressSite, isHit, plainSite, type Site, watch } from './site.js';

const SWR = 'max-age=1, stale-while-revalidate=60';
/** Stored stale, so that nobody has to wait for it to become so. */
const OLD = { 'Cache-Control': SWR, Age: '5' };
const FRESH = { 'Cache-Control': 'max-age=60' };

async function redisOptions(): Promise<ResponseCacheOptions> {
  return { client: await connect(), namespace: uniqueNamespace() };
}

type Handler = (req: IncomingMessage, res: ServerResponse, run: number) => unknown;

/** An old page, and then what `again` says. */
const oldAndThen =
  (again: Handler): Handler =>
  (req, res, run) =>
    run === 1 ? res.writeHead(200, OLD).end('run 1') : again(req, res, run);

const freshRun: Handler = (_req, res, run) => res.writeHead(200, FRESH).end(`run ${run}`);

/** With the old page in the store. */
async function filled(site: Site, headers = {}): Promise<Site> {
  await site.get('/', headers);
  return site;
}

/** Asks until the answer is another than `text`. */
async function untilNot(site: Pick<Site, 'get'>, text: string, path = '/', headers = {}) {
  for (let tries = 0; tries < 200; tries += 1) {
    const reply = await site.get(path, headers);
    if (reply.text !== text) return reply;
    await sleep(25);
  }
  throw new Error(`still ${text}`);
}

describe('a page under stale-while-revalidate', () => {
  it.each(['Redis', 'memory'])('is served at once and renewed behind: %s', async (where) => {
    const site = await filled(
      await expressSite(
        where === 'Redis' ? await redisOptions() : {},
        oldAndThen(async (req, res, run) => {
          await sleep(1_000);
          freshRun(req, res, run);
        }),
      ),
    );
    const stale = await site.get('/');
    expect([isHit(stale), stale.text]).toEqual([true, 'run 1']);
    expect(stale.headers['cache-status']).toMatch(/hit; ttl=-\d+/);
    expect(stale.durationMs).toBeLessThan(900);
    const renewed = await untilNot(site, 'run 1');
    expect([isHit(renewed), renewed.text]).toEqual([true, 'run 2']);
    expect(site.runs.count).toBe(2);
  });

  it('is renewed by one request, however many are served the old one', async () => {
    const site = await filled(
      await expressSite(
        await redisOptions(),
        oldAndThen(async (req, res, run) => {
          await sleep(300);
          freshRun(req, res, run);
        }),
      ),
    );
    const replies = await Promise.all(Array.from({ length: 40 }, () => site.get('/')));
    expect(replies.every(isHit)).toBe(true);
    expect((await untilNot(site, 'run 1')).text).toBe('run 2');
    expect(site.runs.count).toBe(2);
  });

  it('is renewed by one request over four processes', async () => {
    const fleet = await startFleet(4);
    const path = '/page?ms=300&age=1&swr=60';
    const [first] = fleet.ships;
    await first!.get(path);
    await sleep(1_100);
    const replies = await Promise.all(
      fleet.ships.flatMap((ship) => Array.from({ length: 10 }, () => ship.get(path))),
    );
    expect(replies.every(isHit)).toBe(true);
    await fleet.ran(2);
    await sleep(200);
    expect(fleet.runs).toHaveLength(2);
  }, 60_000);

  it('may be declared by the option swrMs', async () => {
    const site = await expressSite({ ...(await redisOptions()), swrMs: 60_000 }, (_req, res, run) =>
      res.writeHead(200, { 'Cache-Control': 'max-age=1', Age: run === 1 ? '5' : '0' }).end(`run ${run}`),
    );
    await filled(site);
    expect(isHit(await site.get('/'))).toBe(true);
    expect((await untilNot(site, 'run 1')).text).toBe('run 2');
  });

  it('is validated: a 304 makes it fresh again', async () => {
    const conditions: unknown[] = [];
    const site = await expressSite(await redisOptions(), (req, res, run) => {
      conditions.push(req.headers['if-none-match']);
      if (run === 1) return res.writeHead(200, { ...OLD, ETag: '"1"' }).end('run 1');
      res.writeHead(304, { ...FRESH, ETag: '"1"', 'X-New': 'yes' });
      return res.end();
    });
    await filled(site);
    expect((await site.get('/')).headers['x-new']).toBeUndefined();
    let reply = await site.get('/');
    while (reply.headers['x-new'] === undefined) reply = await site.get('/');
    expect([isHit(reply), reply.text, reply.headers['cache-control']]).toEqual([true, 'run 1', 'max-age=60']);
    expect(conditions).toEqual([undefined, '"1"']);
  });

  it.each<[string, Handler]>([
    ['an error', (_req, res) => res.writeHead(500, FRESH).end('no')],
    ['an error that the handler throws', () => Promise.reject(new Error('no database'))],
    ['a redirect', (_req, res) => res.writeHead(302, { ...FRESH, Location: '/login' }).end()],
    ['what is not there', (_req, res) => res.writeHead(404, FRESH).end('no')],
    [
      'half an answer',
      (_req, res) => {
        res.writeHead(200, FRESH).write('half');
        setTimeout(() => res.destroy(), 10);
      },
    ],
  ])('stays as it was when the renewal brings %s', async (_name, again) => {
    const site = await filled(await expressSite(await redisOptions(), oldAndThen(again)));
    const settled = watch();
    await site.get('/');
    await settled.next(2);
    const after = await site.get('/');
    expect([isHit(after), after.text]).toEqual([true, 'run 1']);
    expect(site.runs.count).toBe(2);
  });

  it.each<[string, http.OutgoingHttpHeaders]>([
    ['private', { 'Cache-Control': 'private, max-age=60' }],
    ['no-store', { 'Cache-Control': 'no-store' }],
    ['given with a cookie', { ...FRESH, 'Set-Cookie': 'a=1' }],
  ])('is forgotten when the new one is %s', async (_name, headers) => {
    const site = await filled(
      await expressSite(
        await redisOptions(),
        oldAndThen((_req, res, run) => res.writeHead(200, headers).end(`run ${run}`)),
      ),
    );
    await site.get('/');
    const own = await untilNot(site, 'run 1');
    expect(isHit(own)).toBe(false);
  });

  it.each<[string, Handler]>([
    [
      'piped in pieces',
      (_req, res) => {
        res.writeHead(200, FRESH);
        Readable.from(Array.from({ length: 40 }, () => Buffer.alloc(20_000, 'x'))).pipe(res);
      },
    ],
    ['at once', (_req, res) => res.writeHead(200, FRESH).end(Buffer.alloc(800_000, 'x'))],
    [
      'a file',
      (_req, res) => (res as express.Response).set(FRESH).sendFile(__filename, { cacheControl: false }),
    ],
  ])('is renewed by a large answer: %s', async (_name, again) => {
    const site = await filled(await expressSite(await redisOptions(), oldAndThen(again)));
    await site.get('/');
    const renewed = await untilNot(site, 'run 1');
    expect(isHit(renewed)).toBe(true);
    expect(renewed.body.length).toBeGreaterThan(15_000);
    expect(site.runs.count).toBe(2);
  });

  it('gives up a renewal that is over maxBodyBytes, long before its end', async () => {
    let written = 0;
    let isClosed = false;
    const site = await filled(
      await expressSite(
        { ...(await redisOptions()), maxBodyBytes: 10_000 },
        oldAndThen(async (_req, res) => {
          res.once('close', () => {
            isClosed = true;
          });
          res.writeHead(200, FRESH);
          while (!isClosed && written < 1_000_000) {
            res.write(Buffer.alloc(1_000));
            written += 1_000;
            await sleep(1);
          }
          res.end();
        }),
      ),
    );
    await site.get('/');
    while (!isClosed) await sleep(10);
    expect(written).toBeLessThan(100_000);
  });
});

describe('the request that renews a page', () => {
  it('carries the headers that choose between variants, and no others', async () => {
    const seen: http.IncomingHttpHeaders[] = [];
    const site = await expressSite(await redisOptions(), (req, res, run) => {
      seen.push({ ...req.headers });
      res
        .writeHead(200, { ...(run === 1 ? OLD : FRESH), Vary: 'Accept-Language' })
        .end(`${req.headers['accept-language']} ${run}`);
    });
    const headers = { 'accept-language': 'de', 'x-visitor': 'ann', 'user-agent': 'test', referer: 'x' };
    await filled(site, headers);
    await site.get('/', headers);
    expect((await untilNot(site, 'de 1', '/', headers)).text).toBe('de 2');
    expect(seen[1]).toEqual({ host: `127.0.0.1:${site.port}`, 'accept-language': 'de' });
  });

  it('is renewed for those who are logged in to a public page by somebody who is not', async () => {
    const cookies: unknown[] = [];
    const headers = (run: number) => ({
      'Cache-Control': run === 1 ? `public, ${SWR}` : 'public, max-age=60',
      Age: run === 1 ? '5' : '0',
    });
    const site = await expressSite(await redisOptions(), (req, res, run) => {
      cookies.push(req.headers.cookie);
      res.writeHead(200, headers(run)).end(`run ${run}`);
    });
    await filled(site, { cookie: 'sid=1' });
    await site.get('/', { cookie: 'sid=1' });
    await untilNot(site, 'run 1');
    expect(cookies).toEqual(['sid=1', undefined]);
  });

  it('finds mounted apps and routers by the whole URL, in Express 5 and 4', async () => {
    for (const make of [express, require('express-4') as typeof express]) {
      const [app, shop, router] = [make(), make(), make.Router()];
      const urls: string[] = [];
      router.get('/items', (req, res) => {
        urls.push(req.originalUrl);
        res.set(urls.length === 1 ? OLD : FRESH).send(`run ${urls.length}`);
      });
      shop.use(responseCache({ ...(await redisOptions()), deadlineMs: 5_000 }) as express.RequestHandler);
      shop.use('/v1', router);
      app.use('/shop', shop);
      const site = await serve(app);
      const path = '/shop/v1/items?b=2&a=1';
      await site.get(path);
      expect((await site.get(path)).text).toBe('run 1');
      expect((await untilNot(site, 'run 1', path)).text).toBe('run 2');
      expect(urls).toEqual([path, path]);
    }
  });

  it('passes limits and sessions of this package, and leaves no session behind', async () => {
    const client = await connect();
    const namespace = uniqueNamespace();
    const site = await expressSite(
      { client, namespace },
      oldAndThen((req, res, run) => {
        (req as { session?: { visits?: number } }).session!.visits = 1;
        freshRun(req, res, run);
      }),
      [sessions({ client, prefix: `${namespace}:`, secret: 'a secret of some length' }) as never],
    );
    await filled(site);
    await site.get('/');
    expect((await untilNot(site, 'run 1')).text).toBe('run 2');
    expect(await client.keys(`${namespace}:*`)).toEqual([expect.stringContaining('page:')]);
  });

  it('does not run in the context of the request that found the page old', async () => {
    const user = new AsyncLocalStorage<string>();
    const users: unknown[] = [];
    const site = await expressSite(
      await redisOptions(),
      (req, res, run) => {
        users.push(user.getStore());
        oldAndThen(freshRun)(req, res, run);
      },
      [(req, _res, next) => user.run(String(req.headers['x-visitor']), next)],
    );
    await filled(site, { 'x-visitor': 'ann' });
    await site.get('/', { 'x-visitor': 'bob' });
    await untilNot(site, 'run 1');
    expect(users).toEqual(['ann', 'undefined']);
  });

  it('changes nothing about other requests and responses', async () => {
    const site = await expressSite(await redisOptions(), oldAndThen(freshRun));
    const before = [Object.getPrototypeOf(express.request), Object.getPrototypeOf(express.response)];
    await filled(site);
    await site.get('/');
    await untilNot(site, 'run 1');
    expect([Object.getPrototypeOf(express.request), Object.getPrototypeOf(express.response)]).toEqual(before);
    expect(before).toEqual([http.IncomingMessage.prototype, http.ServerResponse.prototype]);
  });
});

describe('a page is validated before it is served', () => {
  it('where there is no Express app to ask', async () => {
    const site = await plainSite(await redisOptions(), oldAndThen(freshRun));
    await site.get('/');
    expect((await site.get('/')).text).toBe('run 2');
  });

  it('after something before the cache kept the request for itself', async () => {
    const site = await expressSite(await redisOptions(), oldAndThen(freshRun), [
      (req, res, next) => (req.headers['x-ticket'] === 'good' ? next() : void res.status(401).end()),
    ]);
    const token = { 'x-ticket': 'good' };
    await filled(site, token);
    expect((await site.get('/', token)).text).toBe('run 1');
    const own = await untilNot(site, 'run 1', '/', token);
    expect([isHit(own), own.text]).toEqual([false, 'run 2']);
  });

  it('where cookies choose between its variants: a request of ours has no session', async () => {
    const site = await expressSite(await redisOptions(), (req, res, run) =>
      res
        .writeHead(200, { 'Cache-Control': `public, ${SWR}`, Age: '5', Vary: 'Cookie' })
        .end(`${req.headers.cookie} ${run}`),
    );
    await filled(site, { cookie: 'sid=1' });
    expect((await site.get('/', { cookie: 'sid=1' })).text).toBe('sid=1 2');
  });

  it('where the key tells users apart that the request cannot tell', async () => {
    const site = await expressSite(
      { ...(await redisOptions()), key: (req) => `user ${req.headers['x-visitor']}` },
      oldAndThen((req, res) => res.writeHead(200, FRESH).end(`for ${req.headers['x-visitor']}`)),
    );
    const ann = { 'x-visitor': 'ann' };
    await filled(site, ann);
    expect((await site.get('/', ann)).text).toBe('run 1');
    expect((await untilNot(site, 'run 1', '/', ann)).text).toBe('for ann');
  });

  it.each(['must-revalidate', 'proxy-revalidate', 'no-cache'])('under %s', async (directive) => {
    const site = await expressSite(await redisOptions(), (_req, res, run) =>
      res
        .writeHead(200, { ...OLD, ETag: `"${run}"`, 'Cache-Control': `${SWR}, ${directive}` })
        .end(`run ${run}`),
    );
    await filled(site);
    expect((await site.get('/')).text).toBe('run 2');
  });

  it('after the window', async () => {
    const site = await expressSite(await redisOptions(), (_req, res, run) =>
      res
        .writeHead(200, {
          'Cache-Control': 'max-age=1, stale-while-revalidate=3',
          Age: '5',
          ETag: `"${run}"`,
        })
        .end(`run ${run}`),
    );
    await filled(site);
    expect((await site.get('/')).text).toBe('run 2');
  });
});

describe('a hot page near its end', () => {
  it('is renewed before it, once', async () => {
    // So early that the first request for it is enough.
    const options = { ...(await redisOptions()), beta: 10_000 };
    const site = await expressSite(options, async (_req, res, run) => {
      await sleep(20);
      res.writeHead(200, { 'Cache-Control': run === 1 ? 'max-age=5' : 'max-age=86400' }).end(`run ${run}`);
    });
    await filled(site);
    const replies = await Promise.all(Array.from({ length: 20 }, () => site.get('/')));
    expect(replies.every(isHit)).toBe(true);
    expect((await untilNot(site, 'run 1')).text).toBe('run 2');
    expect(site.runs.count).toBe(2);
  });

  it('is not renewed with beta: 0', async () => {
    const options = { ...(await redisOptions()), beta: 0 };
    const site = await expressSite(options, async (_req, res, run) => {
      await sleep(20);
      res.writeHead(200, { 'Cache-Control': 'max-age=2' }).end(`run ${run}`);
    });
    await filled(site);
    for (let i = 0; i < 20; i += 1) await site.get('/');
    expect(site.runs.count).toBe(1);
  });
});
