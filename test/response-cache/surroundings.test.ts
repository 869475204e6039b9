// Middlewares before the cache that hold a response back, or add a cookie to it at the last moment.
import http, { type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import compression from 'compression';
import type { RequestHandler } from 'express';
import type { ResponseCacheOptions } from 'express-redis-suite/response-cache';
import { sessions } from 'express-redis-suite/session';
import expressSession from 'express-session';
import { connect, uniqueNamespace } from '../support/redis.js';
import { expressSite, isHit, watch } from './site.js';

type Request = Parameters<RequestHandler>[0] & { session: Record<string, unknown> };

const PUBLIC = {
  'Cache-Control': 'public, max-age=60, s-maxage=30',
  'CDN-Cache-Control': 'public, max-age=30',
};
const secret = 'a secret of thirty-two characters';

const SESSIONS: [string, () => Promise<RequestHandler>][] = [
  ['sessions', async () => sessions({ client: await connect(), prefix: uniqueNamespace(), secret })],
  [
    'express-session',
    async () => expressSession({ secret, resave: false, saveUninitialized: false }) as RequestHandler,
  ],
];

/** Changes the session of a request to `/count`. */
function count(req: Request): void {
  if (req.url === '/count') req.session.count = Number(req.session.count ?? 0) + 1;
}

async function site(
  before: RequestHandler[],
  send: (req: Request, res: ServerResponse) => unknown,
  options: ResponseCacheOptions = {},
) {
  const where = { client: await connect(), namespace: uniqueNamespace() };
  return expressSite({ ...where, ...options }, (req, res) => send(req as Request, res), before);
}

/** A cookie as some set it: when the head is written, past every method of this response. */
const cookieOnHead: RequestHandler = (_req, res, next) => {
  const { writeHead } = res;
  res.writeHead = function withCookie(...args: unknown[]) {
    http.OutgoingMessage.prototype.setHeader.call(res, 'Set-Cookie', 'visit=1');
    return writeHead.apply(res, args as never);
  } as typeof writeHead;
  next();
};

describe.each(SESSIONS)('%s before the cache', (_name, open) => {
  it('a page whose handler changed a session is stored, unless the session sends its cookie', async () => {
    const shop = await site([await open()], (req, res) => {
      count(req);
      res.writeHead(200, PUBLIC).end('page');
    });
    const visitor = shop.browser();
    const first = await visitor.get('/count');
    expect(first.headers['set-cookie']).toHaveLength(1);
    expect(first.headers['cache-status']).toBe('ExpressRedisSuite; fwd=uri-miss; detail=set-cookie');
    const second = await visitor.get('/count');
    expect([second.headers['set-cookie'], second.headers['cache-status']]).toEqual([
      undefined,
      'ExpressRedisSuite; fwd=uri-miss; stored',
    ]);
    for (const reply of [await visitor.get('/count'), await shop.get('/count')])
      expect([isHit(reply), reply.text, reply.headers['set-cookie']]).toEqual([true, 'page', undefined]);
    expect(shop.runs.count).toBe(2);
  });

  it('a body that is held back with its head is stored whole', async () => {
    const shop = await site([await open()], async (req, res) => {
      for (const [name, value] of Object.entries(PUBLIC)) res.setHeader(name, value);
      count(req);
      res.write('half');
      await sleep(10);
      res.end(' and half');
    });
    const visitor = shop.browser();
    for (const isStored of [false, false, true]) {
      const reply = await visitor.get('/count');
      expect([isHit(reply), reply.text]).toEqual([isStored, 'half and half']);
    }
  });

  it('a page that leaves with a cookie of one client is private downstream, the stored copy is not', async () => {
    const touch: RequestHandler = (req, _res, next) => {
      if (req.headers['x-touch'] !== undefined) (req as Request).session.touched = true;
      next();
    };
    for (const profile of ['safe', 'rfc9111'] as const) {
      const shop = await site([await open(), touch], (_req, res) => res.writeHead(200, PUBLIC).end('page'), {
        profile,
      });
      const first = await shop.get('/', { 'x-touch': '1' });
      expect([first.headers['set-cookie']?.length, first.headers['cache-control']]).toEqual([
        1,
        // What is not stored stays as its handler made it.
        profile === 'safe' ? PUBLIC['Cache-Control'] : 'private, max-age=60',
      ]);
      await shop.get('/other');
      for (const headers of [
        { 'x-touch': '1' },
        { 'x-touch': '1', 'if-modified-since': new Date().toUTCString() },
      ]) {
        const reply = await shop.get('/other', headers);
        expect([isHit(reply), reply.headers['set-cookie']?.length]).toEqual([true, 1]);
        expect(reply.headers['cache-control']).toBe('private, max-age=60');
        expect(reply.headers['cdn-cache-control']).toBeUndefined();
      }
      const other = await shop.get('/other');
      expect([isHit(other), other.headers['set-cookie']]).toEqual([true, undefined]);
      expect(other.headers['cache-control']).toBe(PUBLIC['Cache-Control']);
      expect(other.headers['cdn-cache-control']).toBe(PUBLIC['CDN-Cache-Control']);
    }
  });
});

describe('a session that cannot be saved', () => {
  it('becomes an error, and the page is not stored', async () => {
    const client = await connect();
    const shop = await site([sessions({ client, secret }) as RequestHandler], (req, res) => {
      if (req.headers['x-break'] === undefined) return res.writeHead(200, PUBLIC).end('page');
      if (client.isOpen) client.destroy();
      req.session.count = 1;
      return req.url === '/at-once'
        ? res.writeHead(200, PUBLIC).end('page')
        : res.writeHead(200, PUBLIC).write('page');
    });
    for (const path of ['/at-once', '/in-pieces']) {
      expect((await shop.get(path, { 'x-break': '1' })).status).toBe(503);
      expect((await shop.get(path)).headers['cache-status']).toContain('stored');
    }
  });
});

describe('a middleware before the cache that', () => {
  const late: RequestHandler = (_req, res, next) => {
    const { end } = res;
    res.end = function later(...args: unknown[]) {
      setTimeout(() => end.apply(res, args as never), 20);
      return res;
    } as typeof end;
    next();
  };

  it('ends responses later does not keep them from being stored', async () => {
    const shop = await site([late], (_req, res) => {
      for (const [name, value] of Object.entries(PUBLIC)) res.setHeader(name, value);
      res.end('page');
    });
    expect((await shop.get('/')).headers['cache-status']).toContain('stored');
    const second = await shop.get('/');
    expect([isHit(second), second.text]).toEqual([true, 'page']);
  });

  it('ends responses later, after their client left, keeps nobody waiting', async () => {
    const shop = await site([late], (_req, res) => {
      for (const [name, value] of Object.entries(PUBLIC)) res.setHeader(name, value);
      res.end('page');
      if (shop.runs.count === 1) res.socket?.destroy();
    });
    const settled = watch();
    await shop.get('/').catch(() => undefined);
    await settled.next(1);
    expect((await shop.get('/')).headers['cache-status']).toContain('stored');
    expect(isHit(await shop.get('/'))).toBe(true);
  });

  it('compresses leaves the stored page uncompressed', async () => {
    const body = 'page '.repeat(1_000);
    const shop = await site([compression({ threshold: 0 }) as RequestHandler], (_req, res) => {
      res.setHeader('Content-Type', 'text/plain');
      for (const [name, value] of Object.entries(PUBLIC)) res.setHeader(name, value);
      res.end(body);
    });
    const zipped = await shop.get('/', { 'accept-encoding': 'gzip' });
    expect([zipped.headers['content-encoding'], isHit(zipped)]).toEqual(['gzip', false]);
    const plain = await shop.get('/');
    expect([isHit(plain), plain.text]).toEqual([true, body]);
  });

  it('sets a cookie with the head keeps a miss from being stored, and a hit from shared caches', async () => {
    const onlyForA: RequestHandler = (req, res, next) =>
      req.headers['x-a'] === undefined ? next() : cookieOnHead(req, res, next);
    const shop = await site([onlyForA], (_req, res) => res.writeHead(200, PUBLIC).end('page'));
    expect((await shop.get('/a', { 'x-a': '1' })).headers['cache-status']).toBe(
      'ExpressRedisSuite; fwd=uri-miss; detail=set-cookie',
    );
    await shop.get('/b');
    const hit = await shop.get('/b', { 'x-a': '1' });
    expect([isHit(hit), hit.headers['set-cookie'], hit.headers['cache-control']]).toEqual([
      true,
      ['visit=1'],
      'private, max-age=60',
    ]);
    expect((await shop.get('/b')).headers['cache-control']).toBe(PUBLIC['Cache-Control']);
  });

  it('sets a cookie at once keeps it beside those of a page, in the rfc9111 profile', async () => {
    const early: RequestHandler = (req, res, next) => {
      if (req.headers['x-a'] !== undefined) res.setHeader('Set-Cookie', 'own=1');
      next();
    };
    const shop = await site(
      [early],
      (_req, res) => res.writeHead(200, { ...PUBLIC, 'Set-Cookie': 'page=1' }).end('page'),
      { profile: 'rfc9111' },
    );
    await shop.get('/');
    const plain = await shop.get('/');
    expect([isHit(plain), plain.headers['set-cookie'], plain.headers['cache-control']]).toEqual([
      true,
      ['page=1'],
      PUBLIC['Cache-Control'],
    ]);
    const own = await shop.get('/', { 'x-a': '1' });
    expect([isHit(own), own.headers['set-cookie'], own.headers['cache-control']]).toEqual([
      true,
      ['own=1', 'page=1'],
      'private, max-age=60',
    ]);
  });
});
