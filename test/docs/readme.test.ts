/** What README.md shows compiles, and put together it is an app that does what the page says. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { SAYING_WHERE, serveProgram } from '../support/program.js';
import { RedisServer } from '../support/redis-server.js';
import { snippetsOf, Workbench } from './snippets.js';

const ROOT = join(__dirname, '../..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

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
const snippets = snippetsOf('README.md');
afterAll(() => workbench.remove());

test('the two commands come before any other', () => {
  const commands = [...README.matchAll(/\bnpm (run [\w:-]+|test|install)/g)].map(([command]) => command);
  expect(commands.slice(0, 2)).toEqual(['npm run demo', 'npm test']);
});

test('the snippets make an app that limits, remembers who is logged in, and answers from its caches', async () => {
  const code = snippets.filter(({ language }) => language === 'ts').map((snippet) => snippet.code);
  expect(code).toHaveLength(5);
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
  expect((await app.get('/metrics')).text).toContain('express_redis_suite_rate_limit_decisions_total{');

  const left = Number(/r=(\d+)/.exec((await app.get('/me')).headers.ratelimit as string)?.[1]);
  for (let more = 0; more < left; more += 1) await app.get('/me');
  expect((await app.get('/me')).status).toBe(429);
}, 60_000);

test('what llms.txt shows to language models works, and it knows all pages', async () => {
  const { code = '' } = snippetsOf('docs/llms.txt').find(({ id }) => id === 'facts') ?? {};
  const module = workbench.write('facts.js', code);
  const redis = await RedisServer.start();
  const env = { REDIS_URL: redis.url, SESSION_SECRET: 'a secret', PORT: '0' };
  const app = await serveProgram([...SAYING_WHERE, '--import', 'tsx', module], { cwd: ROOT, env });
  const browser = app.browser();
  expect((await browser.send('/login', { method: 'POST' })).status).toBe(204);
  expect((await browser.send('/logout', { method: 'POST' })).status).toBe(204);
  await app.get('/news');
  expect((await app.get('/news')).headers['cache-status']).toContain('hit');
  expect((await app.get('/users/1')).json()).toEqual({ id: 1, name: 'Ada' });
  await app.send('/users/1/Countess', { method: 'PUT' });
  expect((await app.get('/users/1')).json()).toEqual({ id: 1, name: 'Countess' });

  const listed = readFileSync(join(ROOT, 'docs/llms.txt'), 'utf8');
  const pages = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
  expect(pages.filter((name) => !listed.includes(`](${name})`))).toEqual([]);
}, 60_000);

describe('a table of options', () => {
  test.each(['Rate limiting', 'Sessions', 'Response cache'])(
    'says of %s what the page says, in brief',
    (title) => {
      const section = README.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? '';
      const link = /docs\/[\w-]+\.md/.exec(section)?.[0] ?? '';
      const page = readFileSync(join(ROOT, link), 'utf8');
      const rows = [...section.matchAll(/^\| (`\w+`(?:, `\w+`)*) \| (.*?) \|/gm)];
      expect(rows.length).toBeGreaterThan(5);
      for (const [, names = '', byDefault = ''] of rows) {
        for (const name of names.split(', ')) {
          const shown = new RegExp(`^\\| ${name} \\| ?(.*?) ?\\|`, 'm').exec(page)?.[1];
          expect([name, shown || 'none']).toEqual([name, byDefault]);
        }
      }
    },
  );
});
