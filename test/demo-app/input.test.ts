/** Whatever a client sends: a 4xx that names the field, as JSON, and nothing in the log. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Reply, Served } from '../support/http.js';
import { openShop, type Shop, serveShop } from './support.js';

let shop: Shop;
let app: Served;
const logged: string[] = [];

beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());
beforeEach(async () => {
  app = await serveShop(shop.sql, { logged });
});
afterEach(() => expect(logged).toEqual([]));

const JSON_TYPE = { 'content-type': 'application/json' };
const NOT_A_STRING = ['null', '17', 'true', '[]', '["Ada"]', '{}', '{"toString":"Ada"}'];
const BAD_TEXT = [
  ...NOT_A_STRING,
  '""',
  '"  "',
  '"\\u0000"',
  '"Ada\\u0000"',
  '"two\\nlines"',
  '"\\u001b[31m"',
  '"half \\ud83e pair"',
  '"\\udd89"',
];
const NOT_A_NUMBER = ['null', '"1"', '"1e3"', 'true', '[]', '[1]', '{}', '1e400', '-1e400', '-1', '0', '-0'];
const BAD_INTEGER = [...NOT_A_NUMBER, '1.5', '2147483648', '9007199254740993', '1e21'];

interface Target {
  readonly method: string;
  readonly path: string;
  readonly field: string;
  /** The raw JSON around one raw JSON value. */
  readonly around: (json: string) => string;
  readonly bad: readonly string[];
}

const TARGETS: readonly Target[] = [
  {
    method: 'PATCH',
    path: '/api/users/1',
    field: 'name',
    around: (json) => `{"name":${json}}`,
    bad: [...BAD_TEXT, `"${'x'.repeat(101)}"`, `"${'🦉'.repeat(101)}"`],
  },
  {
    method: 'PUT',
    path: '/api/products/1/price',
    field: 'price',
    around: (json) => `{"price":${json}}`,
    bad: [...NOT_A_NUMBER, '0.001', '19.999', '1000000.01', '1e21', '"NaN"', '"19.99; drop table products"'],
  },
  {
    method: 'POST',
    path: '/api/login',
    field: 'email',
    around: (json) => `{"email":${json},"password":"demo"}`,
    bad: [...BAD_TEXT, `"${'x'.repeat(255)}"`],
  },
  {
    method: 'POST',
    path: '/api/login',
    field: 'password',
    around: (json) => `{"email":"ada@example.com","password":${json}}`,
    bad: [...BAD_TEXT, `"${'x'.repeat(1001)}"`],
  },
  {
    method: 'POST',
    path: '/api/orders',
    field: 'items',
    around: (json) => `{"items":${json}}`,
    bad: [
      'null',
      '[]',
      '{}',
      '"[]"',
      '1',
      `[${'0,'.repeat(100)}0]`,
      '{"length":1,"0":{"productId":1,"quantity":1}}',
    ],
  },
  {
    method: 'POST',
    path: '/api/orders',
    field: 'items[1]',
    around: (json) => `{"items":[{"productId":1,"quantity":1},${json}]}`,
    bad: ['null', '[]', '1', '"1"'],
  },
  {
    method: 'POST',
    path: '/api/orders',
    field: 'items[0].productId',
    around: (json) => `{"items":[{"productId":${json},"quantity":1}]}`,
    bad: BAD_INTEGER,
  },
  {
    method: 'POST',
    path: '/api/orders',
    field: 'items[0].quantity',
    around: (json) => `{"items":[{"productId":1,"quantity":${json}}]}`,
    bad: [...BAD_INTEGER, '1001'],
  },
  {
    method: 'PATCH',
    path: '/api/orders/1',
    field: 'status',
    around: (json) => `{"status":${json}}`,
    bad: [...BAD_TEXT, '"PAID"', '"returned"', '"constructor"', '["paid"]'],
  },
];

describe.each(TARGETS)('$method $path refuses a bad $field', ({ method, path, field, around, bad }) => {
  test.each(bad.map((json) => [json.length > 40 ? `${json.slice(0, 20)}... (${json.length})` : json, json]))(
    '%s',
    async (_name, json) => {
      expectRefusal(await app.send(path, { method, body: around(json), headers: JSON_TYPE }), field);
    },
  );

  test('that is not there at all', async () => {
    const inherited = `{"__proto__":${around('"paid"')},"constructor":{"prototype":${around('1')}}}`;
    const reply = await app.send(path, { method, body: inherited, headers: JSON_TYPE });
    expect(reply.status).toBe(400);
    expect(field.startsWith(reply.json().error.field) || reply.json().error.field === 'email').toBe(true);
  });
});

const WITH_ID = [
  ['GET', '/api/users/:id', undefined],
  ['PATCH', '/api/users/:id', { name: 'Ada' }],
  ['GET', '/api/products/:id', undefined],
  ['PUT', '/api/products/:id/price', { price: 1 }],
  ['GET', '/api/orders/:id', undefined],
  ['PATCH', '/api/orders/:id', { status: 'paid' }],
] as const;

describe.each(WITH_ID)('%s %s', (method, path, body) => {
  const send = (id: string) => app.send(path.replace(':id', id), { method, body });

  test.each(
    [
      '0',
      '-1',
      '01',
      '1.0',
      '1e1',
      '0x1',
      '+1',
      '%201',
      '1%00',
      '%00',
      '2147483648',
      '9'.repeat(400),
      'NaN',
      'null',
      '__proto__',
      'constructor',
      "1'%20or%20'1'='1",
      '1;drop%20table%20users',
      '%F0%9F%A6%89',
      '١',
      '*',
      '1,2',
      '[1]',
    ].map((id) => [id]),
  )('refuses the id %s', async (id) => {
    expectRefusal(await send(encodeURI(id).replaceAll('%25', '%')), 'id');
  });

  test.each(['2147483647', '999999'])('does not know the id %s', async (id) => {
    const reply = await send(id);
    expect(reply.status).toBe(404);
    expect(reply.json().error.message).toMatch(/^there is no such (user|product|order)$/);
  });
});

describe.each([
  ['PATCH', '/api/users/1'],
  ['PUT', '/api/products/1/price'],
  ['POST', '/api/login'],
  ['POST', '/api/orders'],
  ['PATCH', '/api/orders/1'],
])('the body of %s %s', (method, path) => {
  test.each([
    ['broken JSON', '{"name":', 400],
    ['no JSON at all', 'name=Ada', 400],
    ['a JSON number', '1', 400],
    ['a JSON text', '"name"', 400],
    ['null', 'null', 400],
    ['a list', '[{"name":"Ada"}]', 400],
    ['NaN', '{"price":NaN}', 400],
    ['deep JSON that never ends', '['.repeat(90_000), 400],
    ['deep JSON', `${'['.repeat(40_000)}${']'.repeat(40_000)}`, 400],
    ['more than 100 KB', JSON.stringify({ name: 'x'.repeat(102_400) }), 413],
  ])('may not be %s', async (_what, body, status) => {
    const reply = await app.send(path, { method, body, headers: JSON_TYPE });
    expect([reply.status, reply.json().error.field]).toEqual([status, 'body']);
  });

  test('may be deep where nobody looks', async () => {
    const deep = `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`;
    const reply = await app.send(path, { method, body: `{"deep":${deep}}`, headers: JSON_TYPE });
    expect(reply.status).toBe(400);
  });

  test.each([
    'application/x-www-form-urlencoded',
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/jsonp',
  ])('may not be %s', async (type) => {
    const body = '{"name":"Ada"}';
    const reply = await app.send(path, { method, body, headers: { 'content-type': type } });
    expect([reply.status, reply.json().error.field]).toEqual([415, 'content-type']);
  });

  test('may not be in a charset or an encoding that is not known', async () => {
    const headers = [
      { 'content-type': 'application/json; charset=klingon' },
      { ...JSON_TYPE, 'content-encoding': 'rot13' },
    ];
    for (const each of headers) {
      const reply = await app.send(path, { method, body: '{}', headers: each });
      expect([reply.status, reply.json().error.field]).toEqual([415, 'body']);
    }
  });

  test('may not be missing', async () => {
    const reply = await app.send(path, { method });
    expect(reply.status).toBe(400);
    expect(typeof reply.json().error.field).toBe('string');
  });
});

describe('an address', () => {
  test.each([
    ['GET', '/api'],
    ['GET', '/api/nothing'],
    ['GET', '/nothing'],
    ['DELETE', '/api/users/1'],
    ['GET', '/api/login'],
    ['POST', '/api/me'],
    ['GET', '/api/users/1/2'],
    ['GET', '/.env'],
    ['GET', '/../../etc/passwd'],
    ['GET', '//evil.example/'],
  ])('that nobody answers: %s %s', async (method, path) => {
    const reply = await app.send(path, { method });
    expect([reply.status, reply.json()]).toEqual([
      404,
      { error: { message: 'there is nothing at this address' } },
    ]);
  });

  test('that is not well-formed is refused', async () => {
    expectRefusal(await app.get('/api/users/%E0%A4%A'), 'url');
  });
});

test('hostile cookies are nobody', async () => {
  for (const cookie of [
    'connect.sid=s%3A..%2F..%2Fetc.x',
    'connect.sid=%00',
    'connect.sid=[object Object]',
    '=;;=',
  ]) {
    expect((await app.get('/api/me', { cookie })).status).toBe(401);
  }
});

test('the tables are still there, as they were', async () => {
  const [row] = await shop.sql`
    select (select count(*) from users)::integer as users, (select price from products where id = 1) as price,
      (select status from orders where id = 1) as status, (select name from users where id = 1) as name
  `;
  expect(row).toMatchObject({ users: 1012, price: 9.9, status: 'delivered', name: 'Ada Lovelace' });
});

function expectRefusal(reply: Reply, field: string): void {
  expect(reply.headers['content-type']).toBe('application/json; charset=utf-8');
  expect([reply.status, reply.json()]).toEqual([400, { error: { field, message: expect.any(String) } }]);
}
