// RFC 5861, 4: a page that is stale is better than an error, where its handler or the route says so.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { ResponseCacheOptions } from 'express-redis-suite/response-cache';
import { connect, uniqueNamespace } from '../support/redis.js';
import { expressSite, plainSite, type Site, watch } from './site.js';

const STALE = 'max-age=1, stale-if-error=60';
type Handler = (req: IncomingMessage, res: ServerResponse, run: number) => unknown;

async function redisOptions(): Promise<ResponseCacheOptions> {
  return { client: await connect(), namespace: uniqueNamespace() };
}

/** Answers once, with what is stale from the beginning, and then fails as `fail` does. */
function failing(fail: Handler, cacheControl = STALE): Handler {
  return (req, res, run) => {
    if (run > 1) return fail(req, res, run);
    res.writeHead(200, { 'Cache-Control': cacheControl, Age: '5', ETag: '"1"', 'X-Page': 'yes' });
    return res.end('the page');
  };
}

/** With its page in the store. */
async function filled(site: Site): Promise<Site> {
  await site.get('/');
  return site;
}

const unavailable: Handler = (_req, res) => {
  res.writeHead(503, { 'X-Error': 'yes' });
  res.write('sorry, ');
  res.end('not now');
};

const failures: [string, Handler][] = [
  ['answers 503', unavailable],
  [
    'answers 500 later',
    async (_req, res) => {
      await sleep(20);
      res.statusCode = 500;
      res.end('no');
    },
  ],
  [
    'throws',
    () => {
      throw new Error('no database');
    },
  ],
  [
    'rejects',
    async () => {
      await sleep(10);
      throw new Error('no database');
    },
  ],
  [
    'writes the heads of two errors',
    (_req, res) => {
      res.writeHead(503, { 'X-Error': 'yes' });
      res.writeHead(500, { 'X-Error': 'yes' }).end('no');
    },
  ],
  ['closes the connection', (_req, res) => res.socket?.destroy()],
  [
    'closes the connection later, with headers set',
    async (_req, res) => {
      res.setHeader('X-Error', 'yes');
      await sleep(20);
      res.socket?.destroy();
    },
  ],
  ['destroys the response', (_req, res) => res.destroy(new Error('no upstream'))],
  [
    'pipes from what fails',
    (_req, res) => {
      const broken = new Readable({ read: () => broken.destroy(new Error('no upstream')) });
      pipeline(broken, res).catch(() => {});
    },
  ],
  [
    'begins an error page and closes the connection',
    (_req, res) => {
      res.writeHead(502);
      res.write('half an error');
      setTimeout(() => res.socket?.destroy(), 10);
    },
  ],
];

describe('a stale page', () => {
  it.each(failures)('is served when its handler %s', async (_name, fail) => {
    const site = await filled(await expressSite(await redisOptions(), failing(fail)));
    const reply = await site.get('/');
    expect([reply.status, reply.text, reply.headers['x-page']]).toEqual([200, 'the page', 'yes']);
    expect(reply.headers['x-error']).toBeUndefined();
    expect(reply.headers['cache-status']).toContain('detail=stale-if-error');
    expect(Number(reply.headers.age)).toBeGreaterThanOrEqual(1);
    expect(site.runs.count).toBe(2);
  });

  it('is served without Express, too, and told on the channel as stale', async () => {
    const site = await filled(await plainSite({}, failing(unavailable)));
    const seen = watch();
    expect((await site.get('/')).text).toBe('the page');
    await seen.next(1);
    expect(seen.events[0]).toMatchObject({ outcome: 'stale', reason: 'if-error' });
  });

  it('is served to all who wait, and the handler that is in trouble is asked once', async () => {
    const slow: Handler = async (req, res, run) => {
      await sleep(500);
      unavailable(req, res, run);
    };
    const site = await filled(await expressSite(await redisOptions(), failing(slow)));
    const replies = await Promise.all(Array.from({ length: 20 }, () => site.get('/')));
    expect(new Set(replies.map(({ text }) => text))).toEqual(new Set(['the page']));
    expect(site.runs.count).toBe(2);
  });

  it('may be served for staleIfErrorMs where its handler says nothing', async () => {
    const site = await expressSite(
      { ...(await redisOptions()), staleIfErrorMs: 60_000 },
      failing(unavailable, 'max-age=1'),
    );
    expect((await (await filled(site)).get('/')).text).toBe('the page');
  });

  it('is not replaced: when the handler is well again, its answer counts', async () => {
    const site = await expressSite(await redisOptions(), (req, res, run) =>
      run === 2 ? unavailable(req, res, run) : failing(unavailable)(req, res, 1),
    );
    await filled(site);
    await site.get('/');
    expect((await site.get('/')).headers['cache-status']).toContain('stored');
  });

  it.each<[string, string, ResponseCacheOptions]>([
    ['must-revalidate', `${STALE}, must-revalidate`, {}],
    ['proxy-revalidate', `${STALE}, proxy-revalidate`, {}],
    ['s-maxage', `s-maxage=1, stale-if-error=60`, {}],
    ['no-cache', `${STALE}, no-cache`, {}],
    ['the end of its window', 'max-age=1, stale-if-error=0', {}],
    ['nobody saying that it may', 'max-age=1', {}],
    ['must-revalidate, whatever the route says', 'max-age=1, must-revalidate', { staleIfErrorMs: 60_000 }],
  ])('is not served after %s', async (_name, cacheControl, options) => {
    const site = await expressSite(
      { ...(await redisOptions()), ...options },
      failing(unavailable, cacheControl),
    );
    const reply = await (await filled(site)).get('/');
    expect([reply.status, reply.text, reply.headers['x-error']]).toEqual([503, 'sorry, not now', 'yes']);
  });

  it('is not served in place of an error that is the answer', async () => {
    const site = await expressSite(
      await redisOptions(),
      failing((_req, res) => res.writeHead(404).end('gone')),
    );
    expect((await (await filled(site)).get('/')).status).toBe(404);
  });

  it('is not served to somebody for whom it would not be stored', async () => {
    const site = await filled(await expressSite(await redisOptions(), failing(unavailable)));
    expect((await site.get('/', { cookie: 'sid=1' })).status).toBe(503);
  });

  it('is served by the letter of the standard when the request says so, or the connection is closed', async () => {
    const byStatus = await expressSite(
      { ...(await redisOptions()), profile: 'rfc9111' },
      failing(unavailable, 'max-age=1'),
    );
    await filled(byStatus);
    const wish = { 'cache-control': 'stale-if-error=60' };
    expect((await byStatus.get('/', wish)).text).toBe('the page');
    expect((await byStatus.get('/')).status).toBe(503);
    const byClosing = await expressSite(
      { ...(await redisOptions()), profile: 'rfc9111' },
      failing((_req, res) => res.socket?.destroy(), 'max-age=1'),
    );
    expect((await (await filled(byClosing)).get('/')).text).toBe('the page');
  });
});

describe('a handler that closes the connection', () => {
  it('closes it where no page may take its place', async () => {
    const site = await expressSite(
      await redisOptions(),
      failing((_req, res) => res.socket?.destroy(), 'max-age=1'),
    );
    await expect((await filled(site)).get('/')).rejects.toThrow(/hang up|ECONNRESET/);
  });

  it('is a 504 by the letter of the standard where the page must be validated', async () => {
    const site = await expressSite(
      { ...(await redisOptions()), profile: 'rfc9111' },
      failing((_req, res) => res.socket?.destroy(), 'max-age=1, must-revalidate'),
    );
    const reply = await (await filled(site)).get('/');
    expect([reply.status, reply.text, reply.headers['x-page']]).toEqual([504, '', undefined]);
  });

  it('is a 504 by the letter of the standard where nothing is kept, learnt or not', async () => {
    const site = await expressSite({ ...(await redisOptions()), profile: 'rfc9111' }, (_req, res, run) => {
      if (run === 1) res.setHeader('Cache-Control', 'no-store').end('not kept');
      else res.setHeader('X-Page', 'yes').socket?.destroy();
    });
    expect((await site.get('/')).text).toBe('not kept');
    const passed = await site.get('/');
    expect([passed.status, passed.text, passed.headers['x-page']]).toEqual([504, '', undefined]);
    expect((await site.get('/never-seen')).status).toBe(504);
  });

  it('closes it after the first byte by the letter of the standard, too', async () => {
    const site = await expressSite({ ...(await redisOptions()), profile: 'rfc9111' }, (_req, res, run) => {
      res.writeHead(200, { 'Cache-Control': 'no-store', 'Content-Length': 10 });
      res.write('half');
      if (run > 1) setTimeout(() => res.socket?.destroy(), 20);
      else res.end(' whole');
    });
    await expect((await filled(site)).get('/')).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  });

  it('closes it after the first byte', async () => {
    const site = await expressSite(
      await redisOptions(),
      failing((_req, res) => {
        res.writeHead(200, { 'Content-Length': 10 });
        res.write('half');
        setTimeout(() => res.socket?.destroy(), 20);
      }),
    );
    await expect((await filled(site)).get('/')).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  });

  it('does no harm by writing on', async () => {
    const site = await expressSite(
      await redisOptions(),
      failing((_req, res) => {
        res.socket?.destroy();
        res.write('more');
        res.end('and more');
      }),
    );
    expect((await (await filled(site)).get('/')).text).toBe('the page');
    expect((await site.get('/')).text).toBe('the page');
  });
});
