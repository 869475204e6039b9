/** Headers that only a proxy should write: believed where the app trusts one, and a client that writes them itself gains nothing. */
import { describe, expect, it } from '@jest/globals';
import express, { type RequestHandler } from 'express';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { responseCache } from 'express-redis-suite/response-cache';
import { type Served, serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';

type Headers = Record<string, string>;

/** What a client sends to look like another one each time. */
const forgeries: readonly ((i: number) => Headers)[] = [
  (i) => ({ 'x-forwarded-for': `198.51.100.${i}` }),
  (i) => ({ 'x-forwarded-for': `2001:db8:${i}::1` }),
  (i) => ({ 'x-forwarded-for': `${i}, unknown, 127.0.0.1` }),
  (i) => ({ forwarded: `for=198.51.100.${i};proto=https;host=a${i}.example` }),
  () => ({ forwarded: 'for=unknown' }),
  (i) => ({ forwarded: `for="_hidden${i}"` }),
  (i) => ({
    'x-real-ip': `198.51.100.${i}`,
    'client-ip': `198.51.100.${i}`,
    'true-client-ip': `198.51.100.${i}`,
  }),
  (i) => ({ 'cf-connecting-ip': `198.51.100.${i}`, 'x-client-ip': `198.51.100.${i}`, via: `1.1 a${i}` }),
  (i) => ({ host: `a${i}.example`, 'x-forwarded-host': `b${i}.example` }),
];

async function limited(trustProxy: unknown): Promise<Served> {
  const app = express();
  app.set('trust proxy', trustProxy);
  const options = { client: await connect(), namespace: uniqueNamespace(), deadlineMs: 10_000 };
  app.use(rateLimit({ ...options, limit: 3, validate: false }) as RequestHandler);
  app.use((_req, res) => void res.end());
  return serve(app);
}

async function admitted(site: Served, headersOf: (i: number) => Headers, requests = 8): Promise<number> {
  const statuses: number[] = [];
  for (let i = 1; i <= requests; i += 1) statuses.push((await site.get('/', headersOf(i))).status);
  return statuses.filter((status) => status === 200).length;
}

describe('a limit', () => {
  it('without a trusted proxy knows clients by their connection alone', async () => {
    for (const forge of forgeries) expect(await admitted(await limited(false), forge)).toBe(3);
  });

  it.each([1, 2])('behind %d proxies believes what they wrote, and not what came before it', async (hops) => {
    const behind = (client: string) => [client, ...Array(hops - 1).fill('10.0.0.1')].join(', ');
    const site = await limited(hops);
    const forge = (i: number) => ({ 'x-forwarded-for': `198.51.100.${i}, ${behind('203.0.113.9')}` });
    expect(await admitted(site, forge)).toBe(3);
    expect(await admitted(site, () => ({ 'x-forwarded-for': behind('203.0.113.8') }))).toBe(3);
  });

  it('takes rubbish, ports and other spellings behind a proxy for no new client', async () => {
    const rubbish = ['unknown', '_hidden', '', 'null', '127.0.0.1.', '1', '999.1.1.1', "'; --", '<script>'];
    const site = await limited(1);
    expect(
      await admitted(site, (i) => ({ 'x-forwarded-for': rubbish[i - 1] ?? 'x' }), rubbish.length),
    ).toBeLessThanOrEqual(4);
    const ports = await limited(1);
    expect(await admitted(ports, (i) => ({ 'x-forwarded-for': `203.0.113.9:${40_000 + i}` }))).toBe(3);
    const mapped = await limited(1);
    const spellings = ['203.0.113.9', '::ffff:203.0.113.9', '::FFFF:cb00:7109', '[::ffff:203.0.113.9]:1'];
    expect(await admitted(mapped, (i) => ({ 'x-forwarded-for': spellings[i % 4] as string }))).toBe(3);
    expect(await admitted(mapped, () => ({ 'x-forwarded-for': '::ffff:203.0.113.8' }))).toBe(3);
  });

  it('counts a whole /56 that a client rotates through as one', async () => {
    const site = await limited(1);
    const rotate = (i: number) => ({
      'x-forwarded-for': `2001:db8:1:2${(i * 31).toString(16).padStart(2, '0').slice(-2)}::${i}`,
    });
    expect(await admitted(site, rotate, 40)).toBe(3);
    expect(await admitted(site, () => ({ 'x-forwarded-for': '2001:db8:1:300::1' }))).toBe(3);
  });
});

describe('a cached page', () => {
  it.each([false, 1])(
    'is kept under the host and scheme that the app believes (trust proxy: %p)',
    async (trustProxy) => {
      const app = express();
      app.set('trust proxy', trustProxy);
      app.use(
        responseCache({
          client: await connect(),
          namespace: uniqueNamespace(),
          deadlineMs: 10_000,
        }) as RequestHandler,
      );
      app.use(
        (req, res) => void res.set('Cache-Control', 'max-age=60').send(`${req.protocol}://${req.hostname}`),
      );
      const site = await serve(app);
      const forged = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' };
      for (const _ of [1, 2]) {
        expect((await site.get('/', forged)).text).toBe(
          trustProxy ? 'https://evil.example' : 'http://127.0.0.1',
        );
        expect((await site.get('/')).text).toBe('http://127.0.0.1');
        expect((await site.get('/', { host: 'evil.example' })).text).toBe('http://evil.example');
      }
    },
  );
});
