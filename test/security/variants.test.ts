/** Other spellings of a path: none of them escapes a limit, and none of them brings the page of another. */
import net from 'node:net';
import { describe, expect, it } from '@jest/globals';
import express, { type RequestHandler } from 'express';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { responseCache } from 'express-redis-suite/response-cache';
import { type Served, serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';

/** Request targets as they go over the wire; Express routes some of them like `/login`, and others not. */
const targets: readonly string[] = [
  ...['/login', '/login/', '/LOGIN', '/Login', '//login', '/./login', '/x/../login', '/%6cogin', '/%6Cogin'],
  ...[
    '/login?',
    '/login?a=1',
    '/login?a=1&a=1',
    '/login?b=2&a=1',
    '/login?a=1&b=2',
    '/login#top',
    '/login%23top',
  ],
  ...[
    '/login;a=b',
    '/login%2F',
    '/login%2f',
    '/login%00',
    '/login%20',
    '/login.',
    '/login%2e',
    '/%2e/login',
    '/%2Flogin',
  ],
  ...[
    '/login%c0%af',
    '/login%252F',
    '/login\\',
    '/login%5C',
    '/login//',
    '/login/.',
    '/login/%2e',
    '/login%E2%80%8B',
  ],
  ...[
    'http://127.0.0.1/login',
    'http://evil.example/login',
    'HTTP://127.0.0.1/login',
    `/login?${'a'.repeat(8_000)}`,
  ],
  ...[
    '/login?a[]=1',
    '/login?a[0]=1',
    '/login?A=1',
    '/login?%61=1',
    '/login?a=%31',
    '/login?a',
    '/login?a=',
    '/login?&a=1',
  ],
];

/** The whole answer to a request that no HTTP client would send. */
function sendRaw({ port }: Served, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(head, 'latin1'));
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (text) => {
      answer += text;
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}

const get = (site: Served, target: string, more = '') =>
  sendRaw(site, `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n${more}\r\n`);

/** Says how Express understood the request, which is all that an answer may depend on. */
const echo: RequestHandler = (req, res) => {
  const { path, originalUrl, query } = req;
  res.set('Cache-Control', 'max-age=60').json({ path, originalUrl, query });
};

const bodyOf = (answer: string) => answer.slice(answer.indexOf('\r\n\r\n') + 4);
const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);

describe('a limit', () => {
  it.each([
    ['of the app', (app: express.Express, limiter: RequestHandler) => void app.use(limiter)],
    ['of one route', (app: express.Express, limiter: RequestHandler) => void app.use('/login', limiter)],
  ])('%s is one for all spellings that reach what it protects', async (_name, protect) => {
    const app = express();
    app.set('query parser', 'extended');
    const options = { client: await connect(), namespace: uniqueNamespace(), limit: 1, deadlineMs: 10_000 };
    protect(app, rateLimit({ ...options, validate: false }) as RequestHandler);
    app.get('/login', (_req, res) => void res.send('logged in'));
    const site = await serve(app);
    expect(bodyOf(await get(site, '/login'))).toBe('logged in');
    for (const target of targets)
      expect([target, bodyOf(await get(site, target))]).not.toContain('logged in');
  });
});

describe('a cached page', () => {
  it('is never that of another spelling', async () => {
    const app = express();
    app.set('query parser', 'extended');
    app.use(
      responseCache({
        client: await connect(),
        namespace: uniqueNamespace(),
        deadlineMs: 10_000,
      }) as RequestHandler,
    );
    app.use(echo);
    const site = await serve(app);
    const plain = express().set('query parser', 'extended').use(echo);
    const uncached = await serve(plain);
    for (const _round of [1, 2]) {
      for (const target of targets)
        expect([target, bodyOf(await get(site, target))]).toEqual([
          target,
          bodyOf(await get(uncached, target)),
        ]);
    }
  });
});

describe('a request that is none', () => {
  it.each([
    ['a line break in a header', 'X-A: b\r\n\tX-Evil: 1\r\n'],
    ['a bare line feed', 'X-A: b\nX-Evil: 1\r\n'],
    ['a NUL in a header', 'X-A: b\u0000c\r\n'],
    ['a NUL in a name', 'X-\u0000A: b\r\n'],
    ['a space before the colon', 'X-A : b\r\n'],
    ['two lengths', 'Content-Length: 0\r\nContent-Length: 5\r\n'],
    ['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'],
    ['two hosts', 'Host: evil.example\r\n'],
    ['a cookie of 16 KB', `Cookie: a=${'x'.repeat(16_384)}\r\n`],
    ['a thousand cookies of one name', `Cookie: ${'connect.sid=s%3Aa.b; '.repeat(700)}\r\n`],
    ['bytes that are no UTF-8', 'Cookie: connect.sid=\xff\xfe\xc0\xaf\r\nUser-Agent: \xff\xfe\r\n'],
    [
      'a hundred headers that no Vary names',
      Array.from({ length: 100 }, (_, i) => `X-${i}: ${i}\r\n`).join(''),
    ],
    ['X-Forwarded-For without end', `X-Forwarded-For: ${'1.2.3.4, '.repeat(1_500)}\r\n`],
    ['a Range without end', `Range: bytes=${'0-1,'.repeat(3_000)}\r\n`],
    ['If-None-Match without end', `If-None-Match: ${'"a", '.repeat(2_500)}\r\n`],
    ['Accept-Language without end', `Accept-Language: ${'a,'.repeat(7_000)}\r\n`],
  ])('harms nobody: %s', async (_name, headers) => {
    const app = express();
    const options = { client: await connect(), namespace: uniqueNamespace(), deadlineMs: 10_000 };
    app.use(rateLimit({ ...options, limit: 100, validate: false }) as RequestHandler);
    app.use(responseCache(options) as RequestHandler);
    app.use(
      (_req, res) => void res.set({ 'Cache-Control': 'max-age=60', Vary: 'Accept-Language' }).send('page'),
    );
    const site = await serve(app);
    await get(site, '/');
    const answer = await get(site, '/', headers);
    expect([200, 206, 304, 400, 416, 431]).toContain(statusOf(answer));
    expect(answer.split('\r\n\r\n', 1)[0]).not.toMatch(/x-evil/i);
    expect(statusOf(await get(site, '/'))).toBe(200);
  });
});
