/** Each of docs/examples does what its first lines say. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { WebSocket } from 'ws';
import type { Served } from '../support/http.js';
import { serveProgram } from '../support/program.js';
import { RedisServer } from '../support/redis-server.js';

const ROOT = join(__dirname, '../..');
const FOLDER = 'docs/examples';
/** Needs the CommonJS build: test/package starts it. */
const BUILT = 'commonjs/server.cjs';

const deeds: Readonly<Record<string, (app: Served) => Promise<void>>> = {
  'express-5/server.mjs': limitsRemembersAndCaches,
  'express-4/server.mjs': limitsRemembersAndCaches,
  async 'node-http/server.mjs'(app) {
    const browser = app.browser();
    expect((await browser.get('/')).text).toBe('visit 1\n');
    expect((await browser.get('/')).text).toBe('visit 2\n');
    expect((await app.get('/')).text).toBe('visit 1\n');
    const [first, second] = [await app.get('/time'), await browser.get('/time')];
    expect(second.text).toBe(first.text);
    expect(second.headers['cache-status']).toContain('hit');
    const left = Number(second.headers['x-ratelimit-remaining']);
    for (let more = 0; more < left; more += 1) await app.get('/time');
    expect((await app.get('/time')).status).toBe(429);
  },
  async 'passport/server.mjs'(app) {
    const browser = app.browser();
    const logIn = (password: string) =>
      browser.send('/login', {
        body: `username=ada&password=${password}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      });
    expect((await logIn('lovelace')).status).toBe(200);
    expect((await browser.get('/me')).json()).toEqual({ id: 'ada' });
    expect((await browser.send('/logout', { method: 'POST' })).status).toBe(204);
    expect((await browser.get('/me')).status).toBe(401);
    for (let guess = 0; guess < 5; guess += 1) expect((await logIn('wrong')).status).toBe(401);
    expect((await logIn('wrong')).status).toBe(429);
  },
  async 'graphql-cost/server.mjs'(app) {
    const ask = (query: string, variables = {}) => app.send('/graphql', { body: { query, variables } });
    const cheap = await ask('{ books(first: 2) { title } }');
    expect(cheap.json().data.books).toEqual([{ title: 'Book 1' }, { title: 'Book 2' }]);
    expect(cheap.headers.ratelimit).toContain('r=497');
    const dear = await ask('query($n: Int) { books(first: $n) { title } }', { n: 100 });
    expect(dear.json().data.books).toHaveLength(100);
    expect(dear.headers.ratelimit).toContain('r=396');
    const spread = await ask(
      '{ a: books(first: 9) { ...t } b: books(first: 9) { ...t } } fragment t on Book { title }',
    );
    expect(spread.headers.ratelimit).toContain('r=376');
    expect((await ask('{ books { writer } }')).status).toBe(400);
    for (let page = 0; page < 3; page += 1) await ask('{ books(first: 100) { title } }');
    expect((await ask('{ books(first: 100) { title } }')).status).toBe(429);
    expect((await ask('{ books(first: 10) { title } }')).status).toBe(200);
    expect((await ask('}')).status).toBe(400);
  },
  async 'websocket/server.mjs'(app) {
    const url = app.url.replace('http', 'ws');
    const stranger = new WebSocket(url);
    expect(String((await once(stranger, 'error'))[0])).toContain('401');

    const browser = app.browser();
    await browser.send('/login/ada', { method: 'POST' });
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const socket = new WebSocket(url, { headers: { cookie } });
    await once(socket, 'open');
    const answers: string[] = [];
    for (let message = 0; message < 6; message += 1) {
      socket.send('hello');
      answers.push(String((await once(socket, 'message'))[0]));
    }
    socket.close();
    expect(answers.slice(0, 5)).toEqual(Array(5).fill('ada said hello'));
    expect(answers[5]).toMatch(/^wait \d+ s$/);
  },
  async 'cluster/server.mjs'(app) {
    // A connection each, so both processes get some.
    const replies = await Promise.all(Array.from({ length: 12 }, () => app.get('/pid')));
    expect(new Set(replies.map(({ text }) => text)).size).toBe(2);
    const times = [
      await app.get('/time'),
      ...(await Promise.all(Array.from({ length: 5 }, () => app.get('/time')))),
    ];
    expect(new Set(times.map(({ text }) => text)).size).toBe(1);
    const last = await Promise.all(Array.from({ length: 4 }, () => app.get('/pid')));
    expect(last.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429]);
  },
};

async function limitsRemembersAndCaches(app: Served): Promise<void> {
  const browser = app.browser();
  expect((await browser.get('/me')).status).toBe(401);
  expect((await browser.send('/login/ada', { method: 'POST' })).status).toBe(204);
  expect((await browser.get('/me')).json()).toEqual({ name: 'ada' });
  expect((await app.get('/time')).text).toBe((await browser.get('/time')).text);
  expect((await browser.send('/logout', { method: 'POST' })).status).toBe(204);
  expect((await browser.get('/me')).status).toBe(401);
  const { headers } = await app.get('/time');
  expect(headers['cache-status']).toContain('hit');
  const left = Number(headers['x-ratelimit-remaining'] ?? /r=(\d+)/.exec(String(headers.ratelimit))?.[1]);
  for (let more = 0; more < left; more += 1) await app.get('/time');
  expect((await app.get('/time')).status).toBe(429);
}

const examples = readdirSync(join(ROOT, FOLDER), { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.[cm]?js$/.test(name) && name !== BUILT)
  .sort();

// Each starts a process, or three.
jest.setTimeout(60_000);

// A machine that is busy with other work makes Redis miss deadlines, and then a limit counts locally, as it should.
jest.retryTimes(2);

test('each is known here', () => {
  expect(examples).toEqual(Object.keys(deeds).sort());
});

test.each(examples)('%s', async (name) => {
  const path = `${FOLDER}/${name}`;
  expect(readFileSync(join(ROOT, path), 'utf8').split('\n')[0]).toMatch(
    new RegExp(`^// [A-Z].*: node ${path}$`),
  );
  const env = { REDIS_URL: (await RedisServer.start()).url, PORT: '0' };
  const app = await serveProgram(['--import', 'tsx', path], { cwd: ROOT, env });
  await deeds[name]?.(app);
});
