/** What docs/session.md shows compiles, does what the page says, and leaves no option out. */
import { createHmac } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { createClient } from 'redis';
import { cases } from '../session/compliance.js';
import { onTestEnd } from '../support/cleanup.js';
import type { Browser, Served } from '../support/http.js';
import { RedisServer } from '../support/redis-server.js';
import { benchOf, optionsOf, sidesOf } from './snippets.js';

const PAGE = 'docs/session.md';
const SECRET = 'a secret of the docs, long enough for all';
const AMBIENT = `
import type { Express, RequestHandler, Router } from 'express';
import type { Store } from 'express-session';
import type { RedisClientType } from 'redis';
declare module 'express-session' {
  interface SessionData {
    userId: string;
  }
}
declare global {
  const app: Express;
  const account: Router;
  const client: RedisClientType;
  const oldStore: Store;
  const requireUser: RequestHandler;
  function findUser(email: unknown, password: unknown): Promise<{ id: string } | undefined>;
  function changePassword(userId: string, password: string): Promise<void>;
  function audit(line: string): void;
}
`;

const page = benchOf(PAGE, AMBIENT);
const { text, snippets, workbench, modules } = page;

beforeAll(() => {
  for (const snippet of snippets.filter(({ language }) => language === 'diff')) {
    const { before, after } = sidesOf(snippet);
    workbench.write(`line-${snippet.line}-before.ts`, before);
    workbench.write(`line-${snippet.line}-after.ts`, after);
  }
});

test('every snippet compiles, and so does each side of a migration', async () => {
  expect(modules.size).toBeGreaterThan(5);
  expect(await workbench.complaints()).toBe('');
}, 60_000);

test('the table of options has every option of the store, each once', () => {
  const { declared, shown } = optionsOf('lib/session/options.ts', 'RedisSessionStoreOptions', page);
  expect(declared.length).toBeGreaterThan(10);
  expect(shown).toEqual([...declared, 'onRedisDown'].sort());
});

test('the score of the store is the one that its tests hold it to', () => {
  expect(text).toContain(`\`RedisSessionStore\` | ${cases.length} of ${cases.length}`);
});

describe('A snippet', () => {
  const post = (browser: Browser, path: string, body: object = {}) =>
    browser.send(path, { method: 'POST', body });
  const statusOfMe = async (browser: Browser) => (await browser.get('/me')).status;

  /** What a reader of the page would try. */
  const deeds: Record<string, (app: Served) => Promise<void>> = {
    async start(app) {
      const browser = app.browser();
      expect((await post(browser, '/login', { password: 'wrong' })).status).toBe(401);
      expect((await post(browser, '/login', { password: 'right' })).status).toBe(200);
      expect((await browser.get('/me')).json()).toEqual({ id: 'ada' });
      await post(browser, '/logout');
      expect(await statusOfMe(browser)).toBe(401);
    },
    async devices(app) {
      const browsers = [app.browser(), app.browser(), app.browser()] as [Browser, Browser, Browser];
      for (const browser of browsers) await post(browser, '/login');
      const [one, two, three] = browsers;
      const devices = (await one.get('/devices')).json();
      expect(devices).toHaveLength(3);
      expect(Object.keys(devices[0]).sort()).toEqual([
        'createdAt',
        'device',
        'handle',
        'isCurrent',
        'lastSeenAt',
      ]);
      const { handle } = (await two.get('/devices'))
        .json()
        .find(({ isCurrent }: { isCurrent: boolean }) => isCurrent);
      expect((await one.send(`/devices/${handle}`, { method: 'DELETE' })).json()).toEqual({ ended: 1 });
      expect([await statusOfMe(one), await statusOfMe(two), await statusOfMe(three)]).toEqual([
        200, 401, 200,
      ]);
      expect((await post(one, '/devices/leave-others')).json()).toEqual({ ended: 1 });
      await post(one, '/password', { password: 'new' });
      expect(await statusOfMe(one)).toBe(401);
    },
    async passport(app) {
      const browser = app.browser();
      expect((await post(browser, '/login', { username: 'ada', password: 'right' })).json()).toEqual({
        id: 'ada',
      });
      expect((await browser.get('/me')).json()).toEqual({ id: 'ada' });
      await post(browser, '/logout');
      expect(await statusOfMe(browser)).toBe(401);
    },
    async remember(app) {
      const remembered = await post(app.browser(), '/login', { remember: true });
      expect(String(remembered.headers['set-cookie'])).toContain('Expires=');
      const brief = await post(app.browser(), '/login', { remember: false });
      expect(String(brief.headers['set-cookie'])).not.toContain('Expires=');
    },
    timeouts: loginWorks,
    'at-rest': async (app) => {
      await loginWorks(app);
      const client = createClient({ url: redis.url });
      await client.connect();
      onTestEnd(() => client.destroy());
      const [key = ''] = (await client.keys('sess:*')).filter((name) => !name.startsWith('sess:gone:'));
      expect(await client.get(key)).not.toContain('ada');
    },
    async migrate(app) {
      const signature = createHmac('sha256', SECRET).update('old').digest('base64').replace(/=+$/, '');
      const cookie = `connect.sid=${encodeURIComponent(`s:old.${signature}`)}`;
      expect((await app.get('/me', { cookie })).json()).toEqual({ id: 'ada' });
    },
    async events(app) {
      const browser = app.browser();
      await post(browser, '/login');
      expect((await browser.get('/audited')).json()).toEqual([expect.stringMatching(/^created [\w-]{22} $/)]);
    },
  };
  let redis: RedisServer;

  async function loginWorks(app: Served): Promise<void> {
    const browser = app.browser();
    await post(browser, '/login');
    expect(await statusOfMe(browser)).toBe(200);
  }

  test('there is a deed for each', () => {
    expect([...modules.keys()].sort()).toEqual(Object.keys(deeds).sort());
  });

  test.each(Object.keys(deeds))('%s', async (id) => {
    redis = await RedisServer.start();
    const module = modules.get(id) as string;
    const secrets = Object.fromEntries(
      ['SESSION_SECRET', 'ID_SECRET', 'OLD_ID_SECRET', 'SESSION_KEY', 'OLD_SESSION_KEY'].map((name, i) => [
        name,
        i === 0 ? SECRET : `${name}, of 32 bytes or more, or it is refused`,
      ]),
    );
    const app = await workbench.serve(module, 'session-process.mts', { REDIS_URL: redis.url, ...secrets });
    await (deeds[id] as (app: Served) => Promise<void>)(app);
  });
});
