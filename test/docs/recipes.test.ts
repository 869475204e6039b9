/** What docs/recipes.md shows compiles and does what the page says. */
import { once } from 'node:events';
import { describe, expect, jest, test } from '@jest/globals';
import { WebSocket } from 'ws';
import type { Browser, Served } from '../support/http.js';
import { RedisServer } from '../support/redis-server.js';
import { type RedisCluster, startCluster } from '../support/redis-topologies.js';
import { benchOf } from './snippets.js';

const AMBIENT = `
import type { Server } from 'node:http';
import type { Express as App } from 'express';
import type { GraphQLSchema } from 'graphql';
import type { RedisClientType } from 'redis';
declare module 'express-session' {
  interface SessionData {
    userId: string;
  }
}
declare global {
  const app: App;
  const server: Server;
  const client: RedisClientType;
  const schema: GraphQLSchema;
  const rootValue: object;
  class AppModule {}
  function report(): Promise<unknown>;
}
`;

const { workbench, modules } = benchOf('docs/recipes.md', AMBIENT);

// A machine that is busy with other work makes Redis miss deadlines, and then a limit counts locally, as it should.
jest.retryTimes(2);

test('every snippet compiles', async () => {
  expect(modules.size).toBeGreaterThan(5);
  expect(await workbench.complaints()).toBe('');
}, 60_000);

describe('Each snippet does what the page says:', () => {
  const isHit = async (app: Served | Browser, path: string) =>
    String((await app.get(path)).headers['cache-status']).includes('; hit');

  const deeds: Readonly<Record<string, (app: Served) => Promise<void>>> = {
    async order(app) {
      const browser = app.browser();
      expect((await browser.send('/orders', { body: {} })).status).toBe(401);
      await browser.send('/login', { method: 'POST' });
      expect((await browser.send('/orders', { body: {} })).json()).toEqual({ by: 'ada' });
      await app.get('/reports/revenue');
      expect(await isHit(browser, '/reports/revenue')).toBe(true);
      expect((await app.get('/livez')).headers['x-ratelimit-limit']).toBeUndefined();
    },
    async 'in-front'(app) {
      const first = await app.get('/cached', { 'x-forwarded-for': '203.0.113.1' });
      expect(first.headers['x-powered-by']).toBe('Express');
      expect(await isHit(app, '/cached')).toBe(true);
      expect(
        (await app.get('/', { 'x-forwarded-for': '203.0.113.1' })).headers['x-ratelimit-remaining'],
      ).toBe('98');
      expect(
        (await app.get('/', { 'x-forwarded-for': '203.0.113.2' })).headers['x-ratelimit-remaining'],
      ).toBe('99');
    },
    async passport(app) {
      const browser = app.browser();
      const logIn = (password: string) => browser.send('/login', { body: { username: 'bob', password } });
      expect((await logIn('right')).status).toBe(200);
      expect((await browser.get('/me')).json()).toEqual({ id: 'bob' });
      expect((await browser.send('/logout', { method: 'POST' })).status).toBe(204);
      expect((await browser.get('/me')).json()).toBeNull();
      for (let guess = 0; guess < 5; guess += 1) expect((await logIn('wrong')).status).toBe(401);
      expect((await logIn('wrong')).status).toBe(429);
    },
    async nest(app) {
      expect((await app.get('/reports')).json()).toEqual({ run: 1 });
      expect((await app.get('/reports')).json()).toEqual({ run: 1 });
      for (let more = 0; more < 8; more += 1) expect((await app.get('/reports')).status).toBe(200);
      expect((await app.get('/reports')).status).toBe(429);
    },
    async graphql(app) {
      const ask = (fields: number) => {
        const query = `{ ${Array.from({ length: fields }, (_, field) => `f${field}: hello`).join(' ')} }`;
        return app.send('/graphql', { body: { query } });
      };
      expect((await ask(1)).json()).toEqual({ data: { f0: 'world' } });
      const spread = (times: number) => {
        const spreads = Array.from({ length: times }, (_, index) => `...f${index + 1}`);
        const fragments = spreads.map(
          (_, index) => `fragment f${index} on Query { ...f${index + 1} ...f${index + 1} }`,
        );
        return app.send('/graphql', {
          body: { query: `{ ...f0 } ${fragments.join(' ')} fragment f${times} on Query { hello }` },
        });
      };
      expect((await spread(1)).json()).toEqual({ data: { hello: 'world' } });
      // Two to the power of forty fields.
      expect((await spread(40)).status).toBe(429);
      expect((await app.send('/graphql', { body: { query: '{ no }' } })).status).toBe(400);
      expect([(await ask(300)).status, (await ask(300)).status, (await ask(100)).status]).toEqual([
        200, 429, 200,
      ]);
    },
    async websocket(app) {
      const url = app.url.replace('http', 'ws');
      expect(String((await once(new WebSocket(url), 'error'))[0])).toContain('401');
      const browser = app.browser();
      await browser.send('/login', { method: 'POST' });
      const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const socket = new WebSocket(url, { headers: { cookie } });
      await once(socket, 'open');
      const answers: string[] = [];
      for (let message = 0; message < 21; message += 1) {
        socket.send('hello');
        answers.push(String((await once(socket, 'message'))[0]));
      }
      socket.close();
      expect(answers).toEqual([...Array(20).fill('ada: hello'), 'not so fast']);
    },
    async 'redis-cluster'(app) {
      expect((await app.get('/page')).json()).toEqual({ run: 1 });
      expect(await isHit(app, '/page')).toBe(true);
      expect([(await app.get('/')).status, (await app.get('/')).status]).toEqual([200, 429]);
    },
    async opentelemetry(app) {
      for (let request = 0; request < 4; request += 1) await app.get('/');
      const counts = Object.fromEntries(
        (await app.get('/exported'))
          .json()
          .map(({ attributes, count }: { attributes: Record<string, string>; count: number }) => [
            `${attributes.feature} ${attributes.decision}`,
            count,
          ]),
      );
      expect(counts).toEqual({ 'rate-limit allow': 3, 'rate-limit deny': 1 });
    },
  };
  test('there is a deed for each', () => {
    expect([...modules.keys()].sort()).toEqual(Object.keys(deeds).sort());
  });

  test.each(Object.keys(deeds))(
    '%s',
    async (id) => {
      const { url } = id === 'redis-cluster' ? firstOf(await startCluster()) : await RedisServer.start();
      const env = { REDIS_URL: url, SESSION_SECRET: 'a secret of the docs', PORT: '0' };
      const app = await workbench.serve(modules.get(id) as string, 'recipes-process.mts', env);
      await deeds[id]?.(app);
    },
    60_000,
  );
});

function firstOf({ nodes }: RedisCluster): RedisServer {
  return nodes[0] as RedisServer;
}
