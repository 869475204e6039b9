/** What docs/response-cache.md shows compiles, does what the page says, and leaves no option and no missed test out. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Reply, Served } from '../support/http.js';
import { sharedRedisUrl } from '../support/redis-server.js';
import { benchOf, optionsOf, sidesOf } from './snippets.js';

const ROOT = join(__dirname, '../..');
const PAGE = 'docs/response-cache.md';
const AMBIENT = `
import type { IncomingMessage } from 'node:http';
import type { Express } from 'express';
import type { RedisClientType } from 'redis';
declare global {
  const app: Express;
  const client: RedisClientType;
  function report(): Promise<unknown>;
  function userOf(req: IncomingMessage): { id: string } | undefined;
}
`;

const page = benchOf(PAGE, AMBIENT);
const { text, snippets, workbench, modules } = page;

beforeAll(() => {
  for (const snippet of snippets.filter(({ language }) => language === 'diff'))
    workbench.write(`line-${snippet.line}-after.ts`, sidesOf(snippet).after);
});

test('every snippet compiles', async () => {
  expect(modules.size).toBeGreaterThan(5);
  expect(await workbench.complaints()).toBe('');
}, 60_000);

test('the table of options has every option, each once', () => {
  const { declared, shown } = optionsOf('lib/response-cache/options.ts', 'ResponseCacheOptions', page);
  expect(declared.length).toBeGreaterThan(15);
  expect(shown).toEqual(declared);
});

test('every public test that fails is named', () => {
  const baseline = readFileSync(join(ROOT, 'test/conformance/baseline.json'), 'utf8');
  const { rfc9111, safe } = JSON.parse(baseline) as Record<string, string[]>;
  const named = [...text.matchAll(/`([a-z0-9*=-]+)`/gi)].map(([, name = '']) => name);
  const patterns = named.map((name) => new RegExp(`^${name.replaceAll('*', '.*')}$`));
  const unnamed = [...(rfc9111 ?? []), ...(safe ?? [])].filter(
    (id) => !patterns.some((each) => each.test(id)),
  );
  expect(unnamed).toEqual([]);
});

const HIT = /^ExpressRedisSuite; hit/;

describe('Each snippet does what the page says:', () => {
  const host = { host: 'shop.example' };
  const isHit = ({ headers }: Reply) => HIT.test(String(headers['cache-status']));

  const deeds: Readonly<Record<string, (app: Served) => Promise<void>>> = {
    async start(app) {
      expect(isHit(await app.get('/news'))).toBe(false);
      expect(isHit(await app.get('/news', { cookie: 'sid=1' }))).toBe(true);
    },
    async ttl(app) {
      const first = await app.get('/report', { cookie: 'sid=1' });
      const second = await app.get('/report', { cookie: 'sid=2' });
      expect([isHit(second), second.text]).toEqual([true, first.text]);
    },
    async vary(app) {
      for (const id of ['ada', 'bob']) {
        const as = { authorization: id, cookie: `sid=${id}` };
        expect((await app.get('/basket', as)).json()).toEqual({ basketOf: id });
        const again = await app.get('/basket', as);
        expect([isHit(again), again.json()]).toEqual([true, { basketOf: id }]);
        expect(again.headers['cache-control']).toContain('private');
      }
      await app.get('/list?page=2&x=1', { cookie: 'theme=dark; sid=1' });
      expect(isHit(await app.get('/list?y=1&page=2', { cookie: 'theme=dark' }))).toBe(true);
      expect(isHit(await app.get('/list?page=2', { cookie: 'theme=light' }))).toBe(false);
      expect((await app.get('/list?page[]=3', { cookie: 'theme=dark' })).text).not.toContain('"2"');
      await app.get('/search?q=1&a=2');
      expect(isHit(await app.get('/search?utm_source=x&a=2&q=1&gclid=3'))).toBe(true);
      expect(isHit(await app.get('/search?a=2&q=2'))).toBe(false);
    },
    async stale(app) {
      await app.get('/rates');
      expect(isHit(await app.get('/rates'))).toBe(true);
    },
    async compression(app) {
      const plain = await app.get('/text');
      const gzipped = await app.get('/text', { 'accept-encoding': 'gzip' });
      expect([plain.body.length, gzipped.headers['content-encoding']]).toEqual([4_000, 'gzip']);
      for (const headers of [{}, { 'accept-encoding': 'gzip' }])
        expect(isHit(await app.get('/text', headers as Record<string, string>))).toBe(true);
    },
    async purge(app) {
      await app.get('/products/1', host);
      await app.get('/products/2', host);
      expect(isHit(await app.get('/products/1', host))).toBe(true);
      await app.send('/admin/products/1', { method: 'POST', headers: host });
      expect(isHit(await app.get('/products/1', host))).toBe(false);
      expect(isHit(await app.get('/products/2', host))).toBe(true);
    },
  };

  test('there is a deed for each', () => {
    expect([...modules.keys()].sort()).toEqual(Object.keys(deeds).sort());
  });

  test.each(Object.keys(deeds))('%s', async (id) => {
    const env = { REDIS_URL: sharedRedisUrl() };
    const app = await workbench.serve(modules.get(id) as string, 'response-cache-process.mts', env);
    await (deeds[id] as (app: Served) => Promise<void>)(app);
  });
});
