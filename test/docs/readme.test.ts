/** What README.md shows compiles, and put together it is an app that does what the page says. */
import { afterAll, expect, test } from '@jest/globals';
import { RedisServer } from '../support/redis-server.js';
import { snippetsOf, Workbench } from './snippets.js';

const TAKEN_FOR_GRANTED = `
const authenticate = async (_body: unknown) => 'ada';
let runs = 0;
const report = async (year: unknown) => ({ year, runs: ++runs });
const id = 42;
const name = 'Ada';
const db = { findUser: async (id: number) => ({ id }), renameUser: async (id: number, name: string) => ({ id, name }) };
`;

const SERVED = `
app.get('/user', (_req, res) => void res.json(user));
app.get('/me', (req, res) => void res.json({ userId: (req.session as unknown as { userId?: string }).userId ?? null }));
const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write('listening on ' + (server.address() as { port: number }).port);
});
`;

const workbench = new Workbench('export {};');
afterAll(() => workbench.remove());

test('the snippets make an app that limits, remembers who is logged in, and answers from its caches', async () => {
  const code = snippetsOf('README.md')
    .filter(({ language }) => language === 'ts')
    .map((snippet) => snippet.code);
  expect(code).toHaveLength(4);
  const [start = '', ...rest] = code;
  // The demo of a snippet is plain HTTP on the loopback interface.
  const module = workbench.write('readme.ts', [start, TAKEN_FOR_GRANTED, ...rest, SERVED].join('\n'));
  expect(await workbench.complaints()).toBe('');

  const redis = await RedisServer.start();
  const app = await workbench.serve(module, 'run-module.mts', {
    REDIS_URL: redis.url,
    SESSION_SECRET: 'a secret',
  });
  const browser = app.browser();
  expect((await browser.get('/me')).json()).toEqual({ userId: null });
  expect((await browser.send('/login', { body: { email: 'ada@example.com' } })).status).toBe(302);
  expect((await browser.get('/me')).json()).toEqual({ userId: 'ada' });
  expect((await browser.send('/logout', { method: 'POST' })).status).toBe(302);
  expect((await browser.get('/me')).json()).toEqual({ userId: null });

  expect((await app.get('/user')).json()).toEqual({ id: 42 });
  const [first, second] = [await app.get('/reports/2026'), await app.get('/reports/2026')];
  expect(second.json()).toEqual({ year: '2026', runs: 1 });
  expect(first.body).toEqual(second.body);
  expect(second.headers['cache-status']).toContain('hit');

  const left = Number(/r=(\d+)/.exec(second.headers.ratelimit as string)?.[1]);
  for (let more = 0; more < left; more += 1) await app.get('/me');
  expect((await app.get('/me')).status).toBe(429);
}, 60_000);
