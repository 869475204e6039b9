// What a client gets the first time and from then on.
import { createHash, randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import compression from 'compression';
import express, { type Response } from 'express';
import { responseCache } from 'express-redis-suite/response-cache';
import { Redis } from 'ioredis';
import { onTestEnd } from '../support/cleanup.js';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { sharedRedisUrl } from '../support/redis-server.js';
import { expressSite, isHit, plainSite, type Site, watch } from './site.js';

const MINUTE = 'max-age=60';
const random = randomBytes(200_000);

async function redisOptions() {
  return { client: await connect(), namespace: uniqueNamespace() };
}

/** The same page twice: the second from the cache, byte for byte. */
async function expectSameTwice(site: Site, path = '/', headers = {}) {
  const first = await site.get(path, headers);
  const second = await site.get(path, headers);
  expect(isHit(first)).toBe(false);
  expect(isHit(second)).toBe(true);
  expect(site.runs.count).toBe(1);
  expect(second.status).toBe(first.status);
  expect(second.body.equals(first.body)).toBe(true);
  const { 'content-type': type, etag, 'content-encoding': encoding } = first.headers;
  expect(second.headers).toMatchObject(
    JSON.parse(JSON.stringify({ 'content-type': type, etag, 'content-encoding': encoding })),
  );
  return [first, second] as const;
}

type Answering = (res: ServerResponse) => unknown;

const bodies: Record<string, Answering> = {
  'res.json': (res) => (res as Response).json({ price: 12.5, name: 'Ada ☃' }),
  'res.send of a string': (res) => (res as Response).send('<h1>ünïcode</h1>'),
  'res.send of a buffer': (res) => (res as Response).send(random),
  'res.sendStatus': (res) => (res as Response).sendStatus(200),
  'res.sendFile': (res) =>
    (res as Response).sendFile(`${process.cwd()}/package.json`, { cacheControl: false }),
  'end without a body': (res) => res.end(),
  'end of bytes': (res) => res.end(random),
  'write and end in pieces': (res) => {
    res.write('a');
    res.write(Buffer.from('b'));
    setImmediate(() => {
      res.write(new Uint8Array([99]));
      res.end('d');
    });
  },
  'strings of several encodings': (res) => {
    res.write('c3bc', 'hex');
    res.write('w7w=', 'base64');
    res.write('\xfc', 'latin1');
    res.end('ü');
  },
  'a stream': (res) => Readable.from([random.subarray(0, 70_000), random.subarray(70_000)]).pipe(res),
  'writeHead with an object': (res) =>
    res.writeHead(200, { 'X-A': '1', 'Content-Type': 'text/plain' }).end('x'),
  'writeHead with a reason': (res) => res.writeHead(200, 'Fine', { 'X-A': '1' }).end('x'),
  'writeHead with a status in a string': (res) => res.writeHead('200' as never).end('x'),
  'writeHead with a flat list': (res) => res.writeHead(200, ['X-A', '1', 'X-A', '2']).end('x'),
  'writeHead with pairs': (res) =>
    res
      .writeHead(200, [
        ['X-A', '1'],
        ['X-B', '2'],
      ] as never)
      .end('x'),
  'flushHeaders first': (res) => {
    res.flushHeaders();
    res.end('x');
  },
  'a buffer that is used again': (res) => {
    const shared = Buffer.from('first');
    res.write(shared, () => {
      shared.write('other');
      res.end(shared);
    });
  },
};

describe('a page', () => {
  it.each(Object.keys(bodies))('is the same the second time: %s', async (name) => {
    const site = await expressSite(await redisOptions(), (_req, res) => {
      res.setHeader('Cache-Control', MINUTE);
      return bodies[name]!(res);
    });
    await expectSameTwice(site);
  });

  it('is cached without Express, and without Redis, too', async () => {
    const site = await plainSite({}, (_req, res) => {
      res.setHeader('Cache-Control', MINUTE);
      res.setHeader('X-Two', ['1', '2']);
      res.end(random);
    });
    const [first, second] = await expectSameTwice(site);
    expect(second.headers['x-two']).toBe(first.headers['x-two']);
    expect(second.headers['content-length']).toBe('200000');
  });

  it('is the same over ioredis, and from a part of the app that is mounted under a path', async () => {
    const client = new Redis(sharedRedisUrl());
    onTestEnd(() => client.disconnect());
    await client.ping();
    const app = express();
    const cache = responseCache({ client, namespace: uniqueNamespace(), deadlineMs: 5_000 });
    const shop = express.Router();
    shop.use(cache);
    shop.get('/products', (_req, res) => {
      res.set('Cache-Control', MINUTE).send(random);
    });
    app.use('/api', shop);
    const site = await serve(app);
    const first = await site.get('/api/products');
    const second = await site.get('/api/products');
    expect([isHit(first), isHit(second), second.body.equals(random)]).toEqual([false, true, true]);
    await cache.purge(`${site.url}/api/products`);
    expect(isHit(await site.get('/api/products'))).toBe(false);
  });

  it('keeps its status, reason and repeated headers', async () => {
    const site = await plainSite(await redisOptions(), (_req, res) => {
      res.setHeader('X-Shards', [1, 2] as never);
      res.writeHead(203, 'Second Hand', { 'Cache-Control': MINUTE, Link: ['</a>', '</b>'] }).end('x');
    });
    const [, second] = await expectSameTwice(site);
    expect(second.status).toBe(203);
    expect(second.rawHeaders.filter((name) => name === 'Link')).toHaveLength(2);
    expect(second.headers['x-shards']).toBe('1, 2');
  });

  it('may be a 204', async () => {
    const site = await expressSite(await redisOptions(), (_req, res) => {
      res.writeHead(204, { 'Cache-Control': MINUTE }).end();
    });
    const [, second] = await expectSameTwice(site);
    expect(second.status).toBe(204);
    expect(second.headers['content-length']).toBeUndefined();
  });

  it('answers HEAD without a body, and a HEAD stores nothing', async () => {
    const site = await expressSite(await redisOptions(), (_req, res) => {
      res.setHeader('Cache-Control', MINUTE);
      (res as Response).send('0123456789');
    });
    const first = await site.send('/', { method: 'HEAD' });
    expect(isHit(first)).toBe(false);
    await site.get('/');
    const second = await site.send('/', { method: 'HEAD' });
    expect(isHit(second)).toBe(true);
    expect([second.text, second.headers['content-length']]).toEqual(['', '10']);
    expect(site.runs.count).toBe(2);
  });

  it('tells its age, when it was made, and how long it is fresh', async () => {
    const site = await expressSite(await redisOptions(), (_req, res) => {
      res.writeHead(200, { 'Cache-Control': MINUTE, Age: '10' }).end('x');
    });
    const [first, second] = await expectSameTwice(site);
    expect(first.headers['cache-status']).toBe('ExpressRedisSuite; fwd=uri-miss; stored');
    expect(second.headers['cache-status']).toMatch(/^ExpressRedisSuite; hit; ttl=(50|49|48)$/);
    expect(Number(second.headers.age)).toBeGreaterThanOrEqual(10);
    // Node stamps the first answer with a clock of whole seconds of its own.
    expect(
      Math.abs(Date.parse(second.headers.date ?? '') - Date.parse(first.headers.date ?? '')),
    ).toBeLessThanOrEqual(1_000);
  });

  it('is stored as one member of a chain of caches', async () => {
    const site = await expressSite(await redisOptions(), (_req, res) => {
      res.writeHead(200, { 'Cache-Control': MINUTE, 'Cache-Status': 'Origin; hit' }).end('x');
    });
    const [first, second] = await expectSameTwice(site);
    expect(first.headers['cache-status']).toBe('Origin; hit, ExpressRedisSuite; fwd=uri-miss; stored');
    expect(second.headers['cache-status']).toMatch(/^Origin; hit, ExpressRedisSuite; hit; ttl=\d+$/);
  });

  it('is not cached when its handler declares nothing, unless the route has a ttl', async () => {
    const options = await redisOptions();
    const answer = (_req: unknown, res: ServerResponse) => (res as Response).send('x');
    const without = await expressSite(options, answer);
    await without.get('/');
    expect(isHit(await without.get('/'))).toBe(false);
    await expectSameTwice(await expressSite({ ...options, ttl: 60_000 }, answer), '/with');
  });

  it("has only the headers that were set behind the cache; those before it are the request's own", async () => {
    let id = 0;
    const site = await expressSite(
      await redisOptions(),
      (_req, res) => res.writeHead(200, { 'Cache-Control': MINUTE, 'X-Page': '1' }).end('x'),
      [
        (_req, res, next) => {
          id += 1;
          res.setHeader('X-Request-Id', String(id));
          res.setHeader('Access-Control-Allow-Origin', `https://${id}.example`);
          next();
        },
      ],
    );
    const [, second] = await expectSameTwice(site);
    expect(second.headers).toMatchObject({
      'x-request-id': '2',
      'access-control-allow-origin': 'https://2.example',
      'x-page': '1',
    });
  });

  it('heeds a Cache-Control that was set before the cache', async () => {
    const site = await expressSite(await redisOptions(), (_req, res) => res.end('x'), [
      (_req, res, next) => {
        res.setHeader('Cache-Control', MINUTE);
        next();
      },
    ]);
    await expectSameTwice(site);
  });

  it('does not carry headers of one connection to another', async () => {
    const site = await plainSite(await redisOptions(), (_req, res) => {
      res.writeHead(200, {
        'Cache-Control': MINUTE,
        Connection: 'close, X-Hop',
        'X-Hop': '1',
        'Proxy-Authenticate': 'Basic',
      });
      res.end('x');
    });
    const [, second] = await expectSameTwice(site);
    expect(second.headers['x-hop']).toBeUndefined();
    expect(second.headers['proxy-authenticate']).toBeUndefined();
  });
});

describe('compression', () => {
  const text = 'all work and no play '.repeat(500);
  const page = (_req: unknown, res: ServerResponse) => {
    res.setHeader('Cache-Control', MINUTE);
    res.setHeader('Content-Type', 'text/plain');
    res.end(text);
  };

  it('behind the cache is stored as it was sent, one variant per Accept-Encoding', async () => {
    const site = await expressSite(await redisOptions(), page, [], [compression()]);
    const [, second] = await expectSameTwice(site, '/', { 'accept-encoding': 'gzip' });
    expect(second.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(second.body).toString()).toBe(text);

    const plain = await site.get('/');
    expect([plain.headers['content-encoding'], plain.text, site.runs.count]).toEqual([undefined, text, 2]);
    const again = await site.get('/');
    expect([isHit(again), again.text]).toEqual([true, text]);
    expect(isHit(await site.get('/', { 'accept-encoding': 'gzip' }))).toBe(true);
  });

  it('before the cache compresses what comes out of it', async () => {
    const site = await expressSite(await redisOptions(), page, [compression()]);
    const first = await site.get('/', { 'accept-encoding': 'gzip' });
    const second = await site.get('/', { 'accept-encoding': 'gzip' });
    const third = await site.get('/');
    expect([isHit(first), isHit(second), isHit(third), site.runs.count]).toEqual([false, true, true, 1]);
    expect([gunzipSync(first.body).toString(), gunzipSync(second.body).toString(), third.text]).toEqual([
      text,
      text,
      text,
    ]);
  });
});

describe('a client with a copy', () => {
  it('is told 304 by the cache, and by a miss as well', async () => {
    const site = await expressSite(await redisOptions(), (_req, res) => {
      res.setHeader('Cache-Control', MINUTE);
      (res as Response).send('0123456789');
    });
    const etag = `W/"a-${createHash('sha1').update('0123456789').digest('base64').slice(0, 27)}"`;
    const miss = await site.get('/', { 'if-none-match': etag });
    expect([miss.status, miss.text, miss.headers.etag]).toEqual([304, '', etag]);
    const hit = await site.get('/', { 'if-none-match': `"other", ${etag.slice(2)}` });
    expect([hit.status, isHit(hit), hit.headers.etag, site.runs.count]).toEqual([304, true, etag, 1]);
    const other = await site.get('/', { 'if-none-match': '"other"' });
    expect([other.status, other.text, isHit(other)]).toEqual([200, '0123456789', true]);
  });

  it('is judged by If-Modified-Since where it sends no tag', async () => {
    const site = await plainSite(await redisOptions(), (_req, res) => {
      res
        .writeHead(200, { 'Cache-Control': MINUTE, 'Last-Modified': 'Sun, 06 Nov 1994 08:49:37 GMT' })
        .end('x');
    });
    await site.get('/');
    const since = async (date: string) => (await site.get('/', { 'if-modified-since': date })).status;
    expect(await since('Sun, 06 Nov 1994 08:49:37 GMT')).toBe(304);
    expect(await since('Sunday, 06-Nov-94 08:49:38 GMT')).toBe(304);
    expect(await since('Sun, 06 Nov 1994 08:49:36 GMT')).toBe(200);
    expect(await since('yesterday')).toBe(200);
  });

  it('gets the part that it asks for out of the whole', async () => {
    const site = await plainSite(await redisOptions(), (_req, res) => {
      res.writeHead(200, { 'Cache-Control': MINUTE, ETag: '"1"' }).end('0123456789');
    });
    const whole = await site.get('/', { range: 'bytes=0-1' });
    expect([whole.status, whole.text]).toEqual([200, '0123456789']);
    const part = await site.get('/', { range: 'bytes=2-4', 'if-range': '"1"' });
    expect([part.status, part.text, part.headers['content-range']]).toEqual([206, '234', 'bytes 2-4/10']);
    expect((await site.get('/', { range: 'bytes=-3' })).text).toBe('789');
    expect((await site.get('/', { range: 'bytes=-30' })).text).toBe('0123456789');
    expect((await site.get('/', { range: 'bytes=2-4', 'if-range': '"2"' })).status).toBe(200);
    const outside = await site.get('/', { range: 'bytes=10-' });
    expect([outside.status, outside.headers['content-range']]).toEqual([416, 'bytes */10']);
    expect((await site.get('/', { range: 'bytes=0-1,3-4' })).status).toBe(200);
    expect(site.runs.count).toBe(1);
  });
});

describe('a stale page', () => {
  it('is validated by its handler, and renewed by a 304', async () => {
    const seen: (string | undefined)[] = [];
    const { next } = watch();
    const site = await expressSite(await redisOptions(), (req, res, run) => {
      seen.push(req.headers['if-none-match']);
      res.setHeader('Cache-Control', run === 1 ? 'max-age=0' : MINUTE);
      res.setHeader('X-Run', String(run));
      (res as Response).send('the same');
    });
    const first = await site.get('/');
    await next(1);
    const second = await site.get('/');
    expect(second.headers['cache-status']).toBe('ExpressRedisSuite; fwd=stale; fwd-status=304; stored');
    expect([second.status, second.text, second.headers['x-run']]).toEqual([200, 'the same', '2']);
    expect(seen).toEqual([undefined, first.headers.etag]);
    const third = await site.get('/');
    expect([isHit(third), third.text, third.headers['x-run'], site.runs.count]).toEqual([
      true,
      'the same',
      '2',
      2,
    ]);
  });

  it('is replaced when the handler has a new one', async () => {
    const { next } = watch();
    const site = await expressSite(await redisOptions(), (_req, res, run) => {
      res.setHeader('Cache-Control', run === 1 ? 'max-age=0' : MINUTE);
      (res as Response).send(`page ${run}`);
    });
    await site.get('/');
    await next(1);
    const second = await site.get('/');
    expect([second.text, second.headers['content-length']]).toEqual(['page 2', '6']);
    expect(second.headers['cache-status']).toBe('ExpressRedisSuite; fwd=stale; fwd-status=200; stored');
    expect((await site.get('/')).text).toBe('page 2');
  });

  it('is validated though a compression middleware behind the cache thinks that it is done', async () => {
    const site = await expressSite(
      await redisOptions(),
      (_req, res) => {
        res.setHeader('Cache-Control', 'max-age=0');
        (res as Response).send('the same '.repeat(500));
      },
      [],
      [compression()],
    );
    const first = await site.get('/', { 'accept-encoding': 'gzip' });
    const second = await site.get('/', { 'accept-encoding': 'gzip' });
    expect(second.headers['cache-status']).toContain('fwd-status=304');
    expect(second.body.equals(first.body)).toBe(true);
    expect(second.headers['content-encoding']).toBe('gzip');
  });
});
