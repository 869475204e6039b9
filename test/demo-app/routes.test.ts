/** Every route of the demo over HTTP, as a careful client uses it. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createReports } from '../../demo-app/services/reports.js';
import type { Served } from '../support/http.js';
import { cookieOf, openShop, type Shop, serveShop } from './support.js';

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

const patch = (app: Served, path: string, body: unknown) => app.send(path, { method: 'PATCH', body });
const put = (app: Served, path: string, body: unknown) => app.send(path, { method: 'PUT', body });

describe('/api/users/:id', () => {
  test('shows a user, and never the password hash', async () => {
    const app = await serveShop(shop.sql);
    const reply = await app.get('/api/users/1');
    expect(reply.status).toBe(200);
    expect(reply.json()).toEqual({ id: 1, email: 'ada@example.com', name: 'Ada Lovelace' });
  });

  test('takes a new name, which the next reader sees', async () => {
    const app = await serveShop(shop.sql);
    expect((await app.get('/api/users/2')).status).toBe(200);
    const name = `Alan "Prof" O'Turing; drop table users -- 🦉 ${'é'.normalize('NFD')} \\ %s $1`;
    const reply = await patch(app, '/api/users/2', { name });
    expect([reply.status, reply.json().name]).toEqual([200, name]);
    expect((await app.get('/api/users/2')).json().name).toBe(name);
    expect((await shop.sql`select name from users where id = 2`)[0]?.name).toBe(name);
  });

  test('does not know closed accounts', async () => {
    const [closed] = await shop.sql`select id from users where not is_active limit 1`;
    const app = await serveShop(shop.sql);
    expect((await app.get(`/api/users/${closed?.id}`)).status).toBe(404);
    expect((await patch(app, `/api/users/${closed?.id}`, { name: 'Back' })).status).toBe(404);
  });

  test('changes nothing but the name, whatever else the body holds', async () => {
    const app = await serveShop(shop.sql);
    const body =
      '{"name":"Ken","id":1,"email":"x@example.com","is_active":false,"__proto__":{"name":"polluted"}}';
    const headers = { 'content-type': 'application/json' };
    const reply = await app.send('/api/users/10', { method: 'PATCH', body, headers });
    expect(reply.json()).toEqual({ id: 10, email: 'ken@example.com', name: 'Ken' });
    expect(({} as { name?: string }).name).toBeUndefined();
  });
});

describe('/api/products', () => {
  test('lists all products', async () => {
    const app = await serveShop(shop.sql);
    const { products } = (await app.get('/api/products')).json();
    expect(products).toHaveLength(50);
    expect(products[0]).toEqual({ id: 1, name: 'Oak lamp', price: 9.9 });
  });

  test.each([19.99, 0.01, 1_000_000, 12, 0.1, 999_999.99])(
    'takes %s as a price and gives it back at once',
    async (price) => {
      const app = await serveShop(shop.sql);
      await app.get('/api/products/7');
      const reply = await put(app, '/api/products/7/price', { price });
      expect([reply.status, reply.json().price]).toEqual([200, price]);
      expect((await app.get('/api/products/7')).json()).toEqual({ id: 7, name: 'Clay lamp', price });
      expect((await shop.sql`select price from products where id = 7`)[0]?.price).toBe(price);
    },
  );

  test('ends twenty price changes at once with the price of the database', async () => {
    const app = await serveShop(shop.sql);
    const prices = Array.from({ length: 20 }, (_, index) => index + 1);
    await Promise.all(prices.map((price) => put(app, '/api/products/8/price', { price })));
    const [row] = await shop.sql`select price from products where id = 8`;
    expect((await app.get('/api/products/8')).json().price).toBe(row?.price);
  });
});

describe('/api/reports/monthly-revenue', () => {
  const revenueOf = async (app: Served) => {
    const { months } = (await app.get('/api/reports/monthly-revenue')).json();
    return months.reduce((total: number, { revenue }: { revenue: number }) => total + revenue, 0);
  };

  test('adds up what the database adds up, and says as of when', async () => {
    const before = new Date();
    await createReports(shop.sql).refreshMonthlyRevenue();
    const reply = await (await serveShop(shop.sql)).get('/api/reports/monthly-revenue');
    const [sum] = await shop.sql`select sum(total) as revenue from orders where status <> 'cancelled'`;
    const { months, refreshedAt } = reply.json() as {
      months: { month: string; revenue: number }[];
      refreshedAt: string;
    };
    expect(months.reduce((total, { revenue }) => total + revenue, 0)).toBeCloseTo(sum?.revenue, 1);
    expect(months.map(({ month }) => month)).toEqual(months.map(({ month }) => month).sort());
    expect(Date.parse(refreshedAt)).toBeGreaterThanOrEqual(before.getTime());
    expect(reply.headers['cache-control']).toBe('public, max-age=60');
  });

  test('is one page, whatever host and query it is asked for with', async () => {
    const app = await serveShop(shop.sql);
    await app.get('/api/reports/monthly-revenue', { host: 'shop.example' });
    const again = await app.get('/api/reports/monthly-revenue?utm_source=mail');
    expect(again.headers['cache-status']).toMatch(/\bhit\b/);
  });

  test('goes on with the old report while a new one is made', async () => {
    const app = await serveShop(shop.sql);
    const before = await revenueOf(app);
    const refreshed = shop.sql.begin(async (sql) => {
      await sql`refresh materialized view concurrently monthly_revenue`;
      // Not committed yet: somebody who reads now must not wait for it.
      expect(await revenueOf(await serveShop(shop.sql))).toBeCloseTo(before, 1);
    });
    await refreshed;
  });
});

describe('/api/orders', () => {
  const items = [
    { productId: 1, quantity: 2 },
    { productId: 3, quantity: 1 },
  ];

  test('places an order at the prices of the shop and says where it is', async () => {
    const app = await serveShop(shop.sql);
    const reply = await app.send('/api/orders', {
      body: {
        items: [{ productId: 1, quantity: 2, price: 0.01 }, items[1]],
        userId: 3,
        status: 'paid',
        total: 0,
      },
    });
    const order = reply.json();
    expect(reply.status).toBe(201);
    expect(reply.headers.location).toBe(`/api/orders/${order.id}`);
    expect(order).toMatchObject({
      userId: null,
      status: 'placed',
      total: 44.7,
      items: [
        { productId: 1, quantity: 2, price: 9.9 },
        { productId: 3, quantity: 1, price: 24.9 },
      ],
    });
    expect((await app.get(reply.headers.location ?? '')).json()).toEqual(order);
  });

  test('makes one line of the same product twice', async () => {
    const app = await serveShop(shop.sql);
    const reply = await app.send('/api/orders', { body: { items: [items[0], items[0]] } });
    expect(reply.json().items).toEqual([{ productId: 1, quantity: 4, price: 9.9 }]);
  });

  test('belong to whoever is logged in', async () => {
    const browser = (await serveShop(shop.sql)).browser();
    await browser.send('/api/login', { body: { email: 'hedy@example.com', password: 'demo' } });
    expect((await browser.send('/api/orders', { body: { items } })).json().userId).toBe(9);
  });

  test('store nothing when one product does not exist, and name it', async () => {
    const app = await serveShop(shop.sql);
    const count = async () => (await shop.sql`select count(*)::integer as count from orders`)[0]?.count;
    const before = await count();
    const reply = await app.send('/api/orders', {
      body: { items: [...items, { productId: 4711, quantity: 1 }] },
    });
    expect([reply.status, reply.json().error.field]).toEqual([400, 'items[2].productId']);
    expect(await count()).toBe(before);
  });

  test('go from placed over paid and shipped to delivered, and from there nowhere', async () => {
    const app = await serveShop(shop.sql);
    const { location } = (await app.send('/api/orders', { body: { items } })).headers as { location: string };
    for (const status of ['paid', 'shipped', 'delivered']) {
      const reply = await patch(app, location, { status });
      expect([reply.status, reply.json().status]).toEqual([200, status]);
    }
    const reply = await patch(app, location, { status: 'cancelled' });
    expect(reply.status).toBe(409);
    expect(reply.json()).toEqual({
      error: { field: 'status', message: 'an order that is delivered cannot become cancelled' },
    });
  });

  test('do not skip a step and do not go back', async () => {
    const app = await serveShop(shop.sql);
    const { location } = (await app.send('/api/orders', { body: { items } })).headers as { location: string };
    expect((await patch(app, location, { status: 'shipped' })).status).toBe(409);
    await patch(app, location, { status: 'paid' });
    expect((await patch(app, location, { status: 'placed' })).status).toBe(409);
  });

  test('let one of two at once have its way', async () => {
    const app = await serveShop(shop.sql);
    const { location } = (await app.send('/api/orders', { body: { items } })).headers as { location: string };
    const replies = await Promise.all(
      ['paid', 'paid', 'paid'].map((status) => patch(app, location, { status })),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
  });
});

describe('an account', () => {
  const ada = { email: 'ada@example.com', password: 'demo' };

  test('is logged in, known, logged out, and unknown: 200, 200, 200, 401', async () => {
    const browser = (await serveShop(shop.sql)).browser();
    const login = await browser.send('/api/login', { body: ada });
    const me = await browser.get('/api/me');
    const logout = await browser.send('/api/logout', { method: 'POST' });
    const after = await browser.get('/api/me');
    expect([login.status, me.status, logout.status, after.status]).toEqual([200, 200, 200, 401]);
    expect(me.json()).toEqual({ id: 1, email: 'ada@example.com', name: 'Ada Lovelace' });
  });

  test('is found by its address in any spelling', async () => {
    const app = await serveShop(shop.sql);
    const reply = await app.send('/api/login', { body: { ...ada, email: 'ADA@Example.COM' } });
    expect(reply.status).toBe(200);
  });

  test('gets a cookie that scripts cannot read and other sites cannot send', async () => {
    const app = await serveShop(shop.sql);
    const [cookie = ''] = (await app.send('/api/login', { body: ada })).headers['set-cookie'] ?? [];
    expect(cookie).toMatch(/; HttpOnly/i);
    expect(cookie).toMatch(/; SameSite=Lax/i);
  });

  test('gets a new session id at login; the one from before is worth nothing', async () => {
    const app = await serveShop(shop.sql);
    const victim = app.browser();
    await victim.send('/api/login', { body: ada });
    const planted = new Map(victim.cookies);
    await victim.send('/api/login', { body: { ...ada, email: 'alan@example.com' } });
    expect([...victim.cookies.values()]).not.toEqual([...planted.values()]);
    const attacker = await app.get('/api/me', { cookie: cookieOf(planted) });
    expect(attacker.status).toBe(401);
  });

  test('is not reached with the cookie from before the logout', async () => {
    const app = await serveShop(shop.sql);
    const browser = app.browser();
    await browser.send('/api/login', { body: ada });
    const cookie = cookieOf(browser.cookies);
    await browser.send('/api/logout', { method: 'POST' });
    expect((await app.get('/api/me', { cookie })).status).toBe(401);
  });

  test('can be logged out twice', async () => {
    const browser = (await serveShop(shop.sql)).browser();
    expect((await browser.send('/api/logout', { method: 'POST' })).status).toBe(200);
    expect((await browser.send('/api/logout', { method: 'POST' })).status).toBe(200);
  });

  test.each([
    ['a wrong password', { ...ada, password: 'Demo' }],
    ['an unknown address', { ...ada, email: 'nobody@example.com' }],
    ['an account without a password', { ...ada, email: 'customer1@example.com' }],
    ['a closed account', { ...ada, email: 'customer10@example.com' }],
    ['SQL', { email: "' or true --", password: "' or true --" }],
    ['a pattern', { ...ada, email: '%@example.com' }],
  ])('is refused in the same words for %s', async (_what, body) => {
    const app = await serveShop(shop.sql);
    const reply = await app.send('/api/login', { body });
    expect(reply.status).toBe(401);
    expect(reply.json()).toEqual({ error: { message: 'e-mail address and password do not match' } });
    expect(reply.headers['set-cookie']).toBeUndefined();
  });

  test('takes as much work to refuse whether or not there is such an address', async () => {
    const app = await serveShop(shop.sql);
    // Of this process, which a busy machine does not lengthen as it does the time.
    const leastCpuUs = {
      'ada@example.com': Number.POSITIVE_INFINITY,
      'nobody@example.com': Number.POSITIVE_INFINITY,
    };
    for (let turn = 0; turn < 8; turn += 1) {
      for (const email of ['ada@example.com', 'nobody@example.com'] as const) {
        const before = process.cpuUsage();
        await app.send('/api/login', { body: { email, password: 'wrong' } });
        const { user, system } = process.cpuUsage(before);
        leastCpuUs[email] = Math.min(leastCpuUs[email], user + system);
      }
    }
    expect(leastCpuUs['nobody@example.com'] / leastCpuUs['ada@example.com']).toBeGreaterThan(0.5);
  });
});

describe('the health of the demo', () => {
  test('is live, and ready without Redis', async () => {
    const app = await serveShop(shop.sql, { rateLimit: 1 });
    for (let turn = 0; turn < 3; turn += 1) {
      expect((await app.get('/livez')).json()).toEqual({ status: 'ok' });
      expect((await app.get('/readyz')).json()).toEqual({
        status: 'ready',
        postgres: 'up',
        redis: 'not used',
      });
    }
  });
});
