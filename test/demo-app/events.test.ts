/** What happens in the shop, on its way from the process where it happens to the browsers that follow. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import express from 'express';
import { openRedis, type RedisClient } from '../../demo-app/database/redis.js';
import { type StreamLimits, streamEvents } from '../../demo-app/events/streams.js';
import { answerErrors } from '../../demo-app/routes/errors.js';
import { onTestEnd } from '../support/cleanup.js';
import { serve } from '../support/http.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { follow, openEventsUntilTestEnds, openShop, type Shop, serveShop } from './support.js';

const order = { items: [{ productId: 1, quantity: 1 }] };

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

describe('on Redis', () => {
  let server: RedisServer;
  let redis: RedisClient;
  beforeEach(async () => {
    server = await RedisServer.start();
    redis = await openRedis(server.url, () => {});
    onTestEnd(() => redis.destroy());
  });

  test('an order that is placed or moved in one process is seen by browsers of all', async () => {
    const [one, other] = [await serveShop(shop.sql, { redis }), await serveShop(shop.sql, { redis })];
    const browsers = await Promise.all([follow(one), follow(other)]);
    const { id, total } = (await one.send('/api/orders', { body: order })).json();
    await one.send(`/api/orders/${id}`, { method: 'PATCH', body: { status: 'paid' } });
    for (const browser of browsers) {
      await until(() => browser.events().length === 2);
      expect(browser.events()).toEqual([
        ['order', { kind: 'order', id, status: 'placed', total }],
        ['order', { kind: 'order', id, status: 'paid', total }],
      ]);
    }
  });

  test('an order is a message on a channel of its own', async () => {
    const app = await serveShop(shop.sql, { redis });
    const heard: string[] = [];
    const listener = redis.duplicate();
    await listener.connect();
    onTestEnd(() => listener.destroy());
    await listener.pSubscribe('*', (_message, channel) => heard.push(channel));
    const { id } = (await app.send('/api/orders', { body: order })).json();
    await until(() => heard.length > 0);
    expect(heard).toEqual([`shop:order:${id}`]);
  });

  test('an order that was not placed, or not moved, is no event', async () => {
    const app = await serveShop(shop.sql, { redis });
    const browser = await follow(app);
    await app.send('/api/orders', { body: { items: [{ productId: 4711, quantity: 1 }] } });
    const { id } = (await app.send('/api/orders', { body: order })).json();
    await app.send(`/api/orders/${id}`, { method: 'PATCH', body: { status: 'delivered' } });
    await app.send(`/api/orders/${id}`, { method: 'PATCH', body: { status: 'cancelled' } });
    await until(() => browser.events().length >= 2);
    expect(browser.events().map(([, { status }]) => status)).toEqual(['placed', 'cancelled']);
  });

  test('what others publish there is not taken for an event', async () => {
    const app = await serveShop(shop.sql, { redis });
    const browser = await follow(app);
    const strange = ['', '{', 'null', '[]', '{"kind":"order","id":"1\\nevent: x"}', '{"kind":"constructor"}'];
    for (const message of [...strange, JSON.stringify({ kind: 'report', id: 'x'.repeat(20_000) })]) {
      await redis.publish('shop:order:1', message);
    }
    await app.send('/api/orders', { body: order });
    await until(() => browser.events().length > 0);
    expect(browser.events()).toHaveLength(1);
  });

  test('streams outlive a Redis that dies, and go on when it is back; orders are placed all the while', async () => {
    const app = await serveShop(shop.sql, { redis });
    const browser = await follow(app);
    await server.kill();
    expect((await app.send('/api/orders', { body: order })).status).toBe(201);
    await server.restart();
    await until(async () => {
      await app.send('/api/orders', { body: order });
      await sleep(50);
      return browser.events().length > 0;
    });
    expect(browser.isOpen()).toBe(true);
  });
});

describe('without Redis', () => {
  test('browsers of this process see what happens in it', async () => {
    const app = await serveShop(shop.sql);
    const browser = await follow(app);
    const { id } = (await app.send('/api/orders', { body: order })).json();
    await until(() => browser.events().length > 0);
    expect(browser.events()[0]).toMatchObject(['order', { id, status: 'placed' }]);
  });
});

describe('a stream', () => {
  async function serveStream(limits: StreamLimits) {
    const events = await openEventsUntilTestEnds();
    const app = express();
    app.get('/events', streamEvents(events, limits));
    app.use(answerErrors(() => {}));
    return { events, app: await serve(app) };
  }

  test('is an event stream that nobody may store or hold up', async () => {
    const { app } = await serveStream({});
    const { headers } = await follow(app);
    expect(headers['content-type']).toBe('text/event-stream');
    expect(headers['cache-control']).toMatch(/no-store/);
    expect(headers['x-accel-buffering']).toBe('no');
  });

  test('is not silent when nothing happens', async () => {
    const { app } = await serveStream({ heartbeatMs: 20 });
    const browser = await follow(app);
    await until(() => (browser.text().match(/^:$/gm)?.length ?? 0) >= 3);
    expect(browser.events()).toEqual([]);
  });

  test('is cut for a browser that does not read, and for nobody else', async () => {
    const { events, app } = await serveStream({ maxWaitingBytes: 1_000_000 });
    const [slow, quick] = [await follow(app), await follow(app)];
    slow.stopReading();
    const text = 'x'.repeat(300_000);
    // 18 MB, of which the kernel takes some before anything has to wait here.
    for (let sent = 1; sent <= 60; sent += 1) {
      events.publish({ kind: 'notification', id: 1, text });
      await until(() => quick.text().length > sent * text.length);
    }
    slow.readOn();
    await until(() => !slow.isOpen());
    expect(slow.text().length).toBeLessThan(60 * text.length);
    expect(quick.isOpen()).toBe(true);
  });

  test('is refused while there are as many as a process serves, until one leaves', async () => {
    const { app } = await serveStream({ maxStreams: 2 });
    const [first] = [await follow(app), await follow(app)];
    const refused = await app.get('/events');
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '5']);
    first.leave();
    await until(async () => {
      const next = await follow(app).catch(() => undefined);
      return next !== undefined;
    });
  });

  test('ends when the process is told to stop, and none begins any more', async () => {
    const { events, app } = await serveStream({});
    const browser = await follow(app);
    events.close();
    await until(() => !browser.isOpen());
    expect((await app.get('/events')).status).toBe(503);
  });

  test('of HEAD has an end', async () => {
    const { app } = await serveStream({});
    const reply = await app.send('/events', { method: 'HEAD' });
    expect([reply.status, reply.headers['content-type']]).toEqual([200, 'text/event-stream; charset=utf-8']);
  });

  test('is refused to a Host that is none', async () => {
    const { app } = await serveStream({});
    expect((await app.get('/events', { host: 'a b' })).status).toBe(400);
  });

  test('counts as one request against the limit', async () => {
    const app = await serveShop(shop.sql, { rateLimit: 2 });
    await follow(app);
    await follow(app);
    expect((await app.get('/events')).status).toBe(429);
  });
});
