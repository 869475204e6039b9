/** Small things that grow when they are opened: nothing here opens them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from '@jest/globals';
import { sessions } from 'express-redis-suite/session';
import { expressSite, isHit, watch } from '../response-cache/site.js';
import { type Act, appWith, commonActs, PATIENT, SECRET } from '../session/support.js';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';

const LIB = join(__dirname, '../../lib');
const MB = 2 ** 20;

it('no file of lib/ decompresses anything', () => {
  const files = readdirSync(LIB, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const opening = files.filter((name) =>
    /zlib|inflate|gunzip|brotli/i.test(readFileSync(join(LIB, name), 'utf8')),
  );
  expect(opening).toEqual([]);
});

it('a page that is 100 MB when it is opened is kept and sent as the bytes that it came in', async () => {
  const bomb = gzipSync(Buffer.alloc(100 * MB));
  const site = await expressSite({ client: await connect(), namespace: uniqueNamespace() }, (_req, res) =>
    res.writeHead(200, { 'Cache-Control': 'max-age=60', 'Content-Encoding': 'gzip' }).end(bomb),
  );
  const settled = watch();
  await site.get('/');
  await settled.next(1);
  const before = process.memoryUsage().rss;
  const hit = await site.get('/');
  expect([isHit(hit), hit.headers['content-encoding'], bomb.equals(hit.body)]).toEqual([true, 'gzip', true]);
  expect(process.memoryUsage().rss - before).toBeLessThan(50 * MB);
});

it('a page over maxBodyBytes goes by, declared or not, and is not gathered', async () => {
  const chunk = Buffer.alloc(64 * 1024);
  const site = await expressSite({ client: await connect(), namespace: uniqueNamespace() }, (_req, res) => {
    res.writeHead(200, { 'Cache-Control': 'max-age=60' });
    for (let i = 0; i < 32; i += 1) res.write(chunk);
    res.end();
  });
  for (const _ of [1, 2]) {
    const reply = await site.get('/');
    expect([isHit(reply), reply.body.length]).toEqual([false, 2 * MB]);
  }
});

it('a session over maxBytes is refused, and stays as it was', async () => {
  const grow: Act = (req, res) => {
    req.session.sent = 'x'.repeat(100_000);
    res.end();
  };
  const options = {
    client: await connect(),
    prefix: `${uniqueNamespace()}:`,
    secret: SECRET,
    maxBytes: 10_000,
  };
  const app = await serve(appWith(sessions({ ...options, ...PATIENT }), { ...commonActs, '/grow': grow }));
  const browser = app.browser();
  await browser.get('/write/user/ada');
  expect((await browser.get('/grow')).json().code).toBe('ERS_SESSION_TOO_LARGE');
  expect((await browser.get('/read')).json()).toEqual({ user: 'ada', id: expect.any(String) });
});
