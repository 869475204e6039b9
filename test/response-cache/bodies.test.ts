// Bodies go by byte for byte, at the pace of who reads them.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import compression from 'compression';
import { connect, uniqueNamespace } from '../support/redis.js';
import { expressSite, isHit, watch } from './site.js';

const fresh = { 'Cache-Control': 'public, max-age=60' };
const options = async () => ({ client: await connect(), namespace: uniqueNamespace() });
const TEXT = 'what compresses well '.repeat(500);

describe.each([['before'], ['behind']])('compression %s the cache', (place) => {
  it('answers each encoding that is asked for, the first time and again', async () => {
    const here = [compression()];
    const [before, behind] = place === 'before' ? [here, []] : [[], here];
    const shop = await expressSite(
      await options(),
      (_req, res) => res.writeHead(200, { ...fresh, 'Content-Type': 'text/plain' }).end(TEXT),
      before,
      behind,
    );
    for (const round of [1, 2]) {
      const plain = await shop.get('/');
      const gzip = await shop.get('/', { 'accept-encoding': 'gzip' });
      const br = await shop.get('/', { 'accept-encoding': 'br' });
      expect([plain, gzip, br].map(({ headers }) => headers['content-encoding'])).toEqual([
        undefined,
        'gzip',
        'br',
      ]);
      expect(plain.text).toBe(TEXT);
      expect(gunzipSync(gzip.body).toString()).toBe(TEXT);
      expect(brotliDecompressSync(br.body).toString()).toBe(TEXT);
      if (round === 2) expect([plain, gzip, br].map(isHit)).toEqual([true, true, true]);
    }
  });
});

describe('a body', () => {
  it('is read at the pace of its client, and not held in memory beyond its limit', async () => {
    let written = 0;
    const chunk = randomBytes(64 * 1024);
    const shop = await expressSite({ ...(await options()), maxBodyBytes: 256 * 1024 }, (_req, res) => {
      res.writeHead(200, fresh);
      const endless = new Readable({
        read() {
          written += chunk.length;
          this.push(written > 64 * 1024 * 1024 ? null : chunk);
        },
      });
      pipeline(endless, res).catch(() => {});
    });
    const request = http.get(shop.url, { agent: false });
    const [reply] = (await once(request, 'response')) as [http.IncomingMessage];
    // What the two sockets hold, and no more.
    for (let before = -1; before !== written; await sleep(100)) before = written;
    expect(written).toBeLessThan(32 * 1024 * 1024);
    reply.destroy();
  });

  it('that its client does not wait for is not stored, and the next one gets it whole', async () => {
    const body = randomBytes(300_000);
    const shop = await expressSite(await options(), async (_req, res, run) => {
      res.writeHead(200, { ...fresh, 'Content-Length': body.length });
      res.write(body.subarray(0, 100_000));
      if (run === 1) await once(res, 'close');
      res.end(body.subarray(100_000));
    });
    const seen = watch();
    const request = http.get(shop.url, { agent: false });
    request.on('error', () => {});
    const [reply] = (await once(request, 'response')) as [http.IncomingMessage];
    reply.on('error', () => {});
    reply.destroy();
    await seen.next(1);
    for (const hit of [false, true]) {
      const whole = await shop.get('/');
      expect([isHit(whole), whole.body.equals(body)]).toEqual([hit, true]);
    }
  });

  it('that its handler breaks off is broken off for the client, and not stored', async () => {
    const shop = await expressSite(await options(), (_req, res, run) => {
      res.writeHead(200, { ...fresh, 'Content-Length': 10 });
      if (run > 1) return res.end('0123456789');
      res.write('01234');
      return res.destroy();
    });
    await expect(shop.get('/')).rejects.toThrow();
    expect((await shop.get('/')).text).toBe('0123456789');
    expect(isHit(await shop.get('/'))).toBe(true);
  });

  it.each<[string, (res: http.ServerResponse) => unknown]>([
    ['response', (res) => res.destroy()],
    ['connection', (res) => res.socket?.destroy()],
    ['request', (res) => res.req.destroy()],
  ])('is not stored when its handler destroys the %s and ends it all the same', async (_name, breakOff) => {
    const shop = await expressSite(await options(), (_req, res, run) => {
      res.writeHead(200, fresh);
      res.write('half');
      if (run === 1) breakOff(res);
      res.end(' and half');
    });
    await expect(shop.get('/')).rejects.toThrow();
    const second = await shop.get('/');
    expect([isHit(second), second.text]).toEqual([false, 'half and half']);
  });

  it('with trailers reaches its client with them, and is stored without', async () => {
    const shop = await expressSite(await options(), (_req, res) => {
      res.writeHead(200, { ...fresh, Trailer: 'X-Sum' });
      res.write('body');
      res.addTrailers({ 'X-Sum': '42' });
      res.end();
    });
    const request = http.get(shop.url, { agent: false });
    const [reply] = (await once(request, 'response')) as [http.IncomingMessage];
    reply.resume();
    await once(reply, 'end');
    expect(reply.trailers).toEqual({ 'x-sum': '42' });
    const again = await shop.get('/');
    expect([isHit(again), again.text, again.headers.trailer]).toEqual([true, 'body', undefined]);
  });
});
