// What lies in Redis: how it is spelled, how long it lives, what a hit costs, and what happens when somebody meddles.
import { describe, expect, it } from '@jest/globals';
import { commandsDuring, connect, type TestClient } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { expressSite, isHit, type Site, watch } from './site.js';

const fresh = { 'Cache-Control': 'max-age=60' };

async function ownServer() {
  const server = await RedisServer.start();
  return connect(server.url);
}

async function allKeys(client: TestClient): Promise<string[]> {
  return (await client.keys('*')).sort();
}

describe('keys', () => {
  it('are readable, and all of them end', async () => {
    const client = await ownServer();
    const site = await expressSite({ client, namespace: 'shop', maxBodyBytes: 10 }, (req, res) => {
      if (req.url === '/private') return res.writeHead(200, { 'Cache-Control': 'private' }).end();
      if (req.url === '/big') return res.writeHead(200, fresh).end('x'.repeat(100));
      return res.writeHead(200, { ...fresh, Vary: 'Accept' }).end('x');
    });
    const settled = watch();
    const host = { host: 'shop.example' };
    const paths = ['/reports/monthly', '/a?q=1', '/private', '/big', `/${'x'.repeat(5_000)}`, '/%7B%0A*'];
    for (const path of paths) await site.get(path, host);
    await site.send('/reports/none', { method: 'POST', headers: host });
    await settled.next(paths.length + 1);

    const keys = await allKeys(client);
    expect(keys).toContain('shop:page:{http://shop.example/reports/monthly}');
    expect(keys.length).toBeGreaterThanOrEqual(4);
    for (const key of keys) {
      expect(key).toMatch(
        /^shop:(?:page:\{|page-miss:\{shop:page:_)http:\/\/shop\.example\/[A-Za-z0-9._~@:/+=!_-]*\}$/,
      );
      expect(key.length).toBeLessThan(200);
      expect(await client.pTTL(key)).toBeGreaterThan(0);
    }
  });

  it('hold at most so many variants of a page', async () => {
    const client = await ownServer();
    const site = await expressSite({ client, maxVariants: 4 }, (_req, res) =>
      res.writeHead(200, { ...fresh, Vary: 'X' }).end('x'),
    );
    const settled = watch();
    for (let i = 1; i <= 12; i += 1) {
      await site.get('/', { x: String(i) });
      await settled.next(i);
    }
    const [key = ''] = await allKeys(client);
    expect(await client.hLen(key)).toBeLessThanOrEqual(5);
    expect(isHit(await site.get('/', { x: '12' }))).toBe(true);
  });
});

describe('commands', () => {
  it('one per hit, with and without Vary, and one per request that is not cacheable', async () => {
    const client = await ownServer();
    const site = await expressSite({ client }, (req, res) => {
      const headers =
        req.url === '/private'
          ? { 'Cache-Control': 'private' }
          : { ...fresh, Vary: req.url === '/vary' ? 'Accept' : '' };
      res.writeHead(200, headers).end('x');
    });
    const settled = watch();
    for (const path of ['/', '/vary', '/private']) await site.get(path);
    await settled.next(3);
    for (const path of ['/', '/vary', '/private']) {
      const commands = await commandsDuring(client, async () => {
        for (let i = 0; i < 5; i += 1) await site.get(path);
      });
      expect(commands).toEqual({ hmget: 5 });
    }
  });

  it('one per hit in a process that has never seen the page, but for the first when it has variants', async () => {
    const client = await ownServer();
    const answer = (_req: unknown, res: import('node:http').ServerResponse) =>
      void res.writeHead(200, { ...fresh, Vary: 'Accept' }).end('x');
    const settled = watch();
    const one = await expressSite({ client }, answer);
    const other = await expressSite({ client }, answer);
    const host = { host: 'shop.example' };
    await one.get('/', host);
    await settled.next(1);
    const commands = await commandsDuring(client, async () => {
      for (let i = 0; i < 5; i += 1) expect(isHit(await other.get('/', host))).toBe(true);
    });
    expect(commands).toEqual({ hmget: 6 });
  });
});

describe('a page that somebody meddled with', () => {
  async function stored(): Promise<{ site: Site; client: TestClient; key: string; entry: Buffer }> {
    const client = await ownServer();
    const site = await expressSite({ client }, (_req, res, run) =>
      res.writeHead(200, fresh).end(`run ${run}`),
    );
    const settled = watch();
    await site.get('/');
    await settled.next(1);
    const [key = ''] = await allKeys(client);
    const entry = Buffer.from((await client.hGet(key, 'page')) ?? '');
    return { site, client, key, entry };
  }

  it.each<[string, (entry: Buffer) => Buffer]>([
    ['truncated', (entry) => entry.subarray(0, -1)],
    ['empty', () => Buffer.alloc(0)],
    ['not ours', () => Buffer.from('{"status":200}')],
    ['of another version', (entry) => Buffer.from(entry.toString().replace('"version":1', '"version":9'))],
    [
      'with a split header',
      (entry) => Buffer.from(entry.toString().replace('"max-age=60"', '"max-age=60\\r\\nSet-Cookie: a=b"')),
    ],
    [
      'with a split reason',
      (entry) =>
        Buffer.from(entry.toString().replace('"status":200', '"status":200,"reason":"OK\\r\\nX-Evil: 1"')),
    ],
    [
      'with a cookie',
      (entry) =>
        Buffer.from(entry.toString().replace('["Cache-Control"', '["Set-Cookie","a=b"],["Cache-Control"')),
    ],
  ])('is a miss, and heals: %s', async (_name, meddle) => {
    const { site, client, key, entry } = await stored();
    await client.hSet(key, 'page', meddle(entry));
    const miss = await site.get('/');
    expect([miss.status, miss.text, miss.headers['set-cookie'], miss.headers['x-evil']]).toEqual([
      200,
      'run 2',
      undefined,
      undefined,
    ]);
    const hit = await site.get('/');
    expect([isHit(hit), hit.text]).toEqual([true, 'run 2']);
  });

  it('is a miss, and heals: of another type', async () => {
    const { site, client, key } = await stored();
    await client.set(key, 'a string');
    expect([(await site.get('/')).text, (await site.get('/')).text]).toEqual(['run 2', 'run 2']);
  });

  it.each(['*', 'Accept\r\nX: 1', '\xff\x00', 'a,'.repeat(1_000)])(
    'is no worse for a Vary of %j',
    async (vary) => {
      const { site, client, key } = await stored();
      await client.hSet(key, 'vary', vary);
      for (let tries = 0; tries < 3; tries += 1) expect((await site.get('/')).status).toBe(200);
    },
  );
});
