// What changes a page makes it go: at once, everywhere, and for good.
import { once } from 'node:events';
import http from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { connect, uniqueNamespace } from '../support/redis.js';
import { until } from '../support/until.js';
import { expressSite, isHit, plainSite, watch } from './site.js';

const fresh = { 'Cache-Control': 'max-age=60' };

async function redisOptions() {
  return { client: await connect(), namespace: uniqueNamespace() };
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

describe('RFC 9111, 4.4: an unsafe request', () => {
  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'M-SEARCH'])(
    '%s makes the page go when it succeeds',
    async (method) => {
      const site = await expressSite(await redisOptions(), (req, res, run) => {
        res.writeHead(req.method === 'GET' ? 200 : 303, fresh).end(String(run));
      });
      await site.get('/a?b');
      expect(isHit(await site.get('/a?b'))).toBe(true);
      await site.send('/a?b', { method });
      expect((await site.get('/a?b')).text).toBe('3');
    },
  );

  it.each([400, 409, 500])('that fails with %i changes nothing', async (status) => {
    const site = await expressSite(await redisOptions(), (req, res) => {
      res.writeHead(req.method === 'GET' ? 200 : status, fresh).end();
    });
    await site.get('/');
    await site.send('/', { method: 'POST' });
    expect(isHit(await site.get('/'))).toBe(true);
  });

  it.each(['GET', 'HEAD', 'OPTIONS'])('is none of %s', async (method) => {
    const site = await expressSite(await redisOptions(), (_req, res) => res.writeHead(200, fresh).end());
    await site.get('/');
    await site.send('/', { method });
    expect(isHit(await site.get('/'))).toBe(true);
  });

  it('takes the pages of Location and Content-Location along, on the same origin only', async () => {
    const options = await redisOptions();
    const site = await expressSite(options, (req, res) => {
      if (req.method === 'GET') return res.writeHead(200, fresh).end();
      const elsewhere = `http://other.example/kept`;
      return res
        .writeHead(201, { Location: '/orders/1', 'Content-Location': req.url === '/x' ? elsewhere : 'list' })
        .end();
    });
    for (const path of ['/orders/1', '/list', '/kept']) await site.get(path);
    await site.get('/kept', { host: 'other.example' });
    await site.send('/orders', { method: 'POST' });
    await site.send('/x', { method: 'POST' });
    expect([isHit(await site.get('/orders/1')), isHit(await site.get('/list'))]).toEqual([false, false]);
    expect(isHit(await site.get('/kept'))).toBe(true);
    expect(isHit(await site.get('/kept', { host: 'other.example' }))).toBe(true);
  });

  it.each<[string, (res: import('node:http').ServerResponse) => void]>([
    ['end', (res) => res.end('done')],
    ['writeHead and end', (res) => res.writeHead(200, 'Fine', { 'X-A': '1' }).end('done')],
    [
      'pieces',
      (res) => {
        res.write('do');
        setImmediate(() => {
          res.write('n');
          res.end('e');
        });
      },
    ],
    [
      'flushHeaders',
      (res) => {
        res.flushHeaders();
        setTimeout(() => res.end('done'), 5);
      },
    ],
  ])('is answered when the pages are gone, unchanged: %s', async (_name, answer) => {
    const options = await redisOptions();
    const one = await plainSite(options, (req, res) =>
      req.method === 'GET' ? res.writeHead(200, fresh).end('x') : answer(res),
    );
    const other = await plainSite(options, (_req, res) => res.writeHead(200, fresh).end('y'));
    for (let round = 0; round < 10; round += 1) {
      const settled = watch();
      const host = { host: 'shop.example' };
      await one.get('/', host);
      await settled.next(1);
      expect((await other.get('/', host)).headers['cache-status']).toContain('hit');
      const reply = await one.send('/', { method: 'POST', headers: host });
      expect([reply.status, reply.text]).toEqual([200, 'done']);
      expect(isHit(await other.get('/', host))).toBe(false);
      await other.purge('http://shop.example/');
    }
  });

  it.each<[string, (res: import('node:http').ServerResponse) => unknown]>([
    ['end', (res) => res.end('done')],
    ['writeHead', (res) => res.writeHead(303, { Location: '/' }).end()],
  ])('makes the page go also when its client has left before it was done: %s', async (_name, answer) => {
    let version = 1;
    const left = gate();
    const done = gate();
    const site = await expressSite(await redisOptions(), async (req, res) => {
      if (req.method === 'GET') return res.writeHead(200, fresh).end(String(version));
      request.destroy();
      await once(res, 'close');
      await left.opened;
      version = 2;
      answer(res);
      done.open();
    });
    await site.get('/');
    const request = http.request(site.url, { method: 'POST', agent: false }).on('error', () => {});
    const settled = watch();
    request.end();
    await settled.next(1);
    expect((await site.get('/')).text).toBe('1');
    left.open();
    await done.opened;
    await until(async () => (await site.get('/')).text === '2');
  });

  it('does not lose a byte of a big answer that it holds back', async () => {
    const big = Buffer.alloc(3_000_000, 'x');
    const site = await expressSite(await redisOptions(), async (_req, res) => {
      for (let at = 0; at < big.length; at += 100_000) {
        if (!res.write(big.subarray(at, at + 100_000)))
          await new Promise((resolve) => res.once('drain', resolve));
      }
      res.end();
    });
    expect((await site.send('/', { method: 'POST' })).body.equals(big)).toBe(true);
  });
});

describe('a purge', () => {
  it('makes all variants of one page go, in all processes', async () => {
    const options = await redisOptions();
    const answer = (_req: unknown, res: import('node:http').ServerResponse, run: number) =>
      void res.writeHead(200, { ...fresh, Vary: 'X-Team' }).end(`run ${run}`);
    const one = await expressSite({ ...options, hosts: ['shop.example'] }, answer);
    const other = await expressSite(options, answer);
    const red = { host: 'shop.example', 'x-team': 'red' };
    const blue = { host: 'shop.example', 'x-team': 'blue' };
    const settled = watch();
    await one.get('/a', red);
    await one.get('/a', blue);
    await one.get('/b', red);
    await settled.next(3);
    expect(isHit(await other.get('/a', red))).toBe(true);

    await one.purge('/a');
    expect(isHit(await other.get('/a', red))).toBe(false);
    expect(isHit(await other.get('/a', blue))).toBe(false);
    expect(isHit(await other.get('/b', red))).toBe(true);

    await other.purge('http://shop.example/b');
    expect(isHit(await one.get('/b', red))).toBe(false);
  });

  it('wants to know where', async () => {
    const site = await expressSite({}, (_req, res) => res.end());
    await expect(site.purge('/a')).rejects.toMatchObject({ code: 'ERS_INVALID_OPTION' });
  });

  it.each(['Redis', 'memory'])('is not undone by what was under way before it: %s', async (where) => {
    const options = where === 'Redis' ? await redisOptions() : {};
    let row = 'old';
    const handler = { reads: gate(), mayGoOn: gate() };
    const site = await plainSite({ ...options, hosts: ['shop.example'] }, async (_req, res) => {
      const read = row;
      if (read === 'old') {
        handler.reads.open();
        await handler.mayGoOn.opened;
      }
      res.writeHead(200, fresh).end(read);
    });
    const host = { host: 'shop.example' };
    const settled = watch();
    const slow = site.get('/', host);
    await handler.reads.opened;
    const waiting = site.get('/', host);
    row = 'new';
    await site.purge('/');
    // Not from the flight of the old one either.
    expect((await site.get('/', host)).text).toBe('new');
    handler.mayGoOn.open();
    expect((await slow).text).toBe('old');
    await waiting;
    await settled.next(3);
    expect((await site.get('/', host)).text).toBe('new');
  });
});
