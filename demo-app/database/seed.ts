/** The rows a fresh shop begins with: people who can log in, products, and as many generated orders as asked for. */
import { hashPassword } from '../services/passwords.js';
import type { Transaction } from './pool.js';

/** Every named account of the demo has this password. */
const DEMO_PASSWORD = 'demo';

const PEOPLE: readonly string[] = [
  'Ada Lovelace',
  'Alan Turing',
  'Barbara Liskov',
  'Dennis Ritchie',
  'Donald Knuth',
  'Edsger Dijkstra',
  'Frances Allen',
  'Grace Hopper',
  'Hedy Lamarr',
  'Ken Thompson',
  'Margaret Hamilton',
  'Radia Perlman',
];
const CUSTOMERS = 1000;

const MATERIALS = ['Oak', 'Steel', 'Linen', 'Cork', 'Glass', 'Wool', 'Clay', 'Brass', 'Felt', 'Slate'];
const THINGS = ['lamp', 'stool', 'bowl', 'shelf', 'clock'];

const ORDERS_PER_BATCH = 20_000;

export interface SeedOptions {
  readonly orders: number;
  readonly log: (line: string) => void;
}

export async function seed(sql: Transaction, { orders, log }: SeedOptions): Promise<void> {
  await seedUsers(sql);
  await seedProducts(sql);
  for (let from = 1; from <= orders; from += ORDERS_PER_BATCH) {
    const to = Math.min(orders, from + ORDERS_PER_BATCH - 1);
    await seedOrders(sql, from, to, orders);
    log(`database: ${to.toLocaleString('en')} of ${orders.toLocaleString('en')} orders`);
  }
  await sql`select setval(pg_get_serial_sequence('orders', 'id'), ${orders + 1}, false)`;
}

async function seedUsers(sql: Transaction): Promise<void> {
  const people = await Promise.all(
    PEOPLE.map(async (name) => ({
      name,
      email: `${name.split(' ')[0]?.toLowerCase()}@example.com`,
      password_hash: await hashPassword(DEMO_PASSWORD),
    })),
  );
  await sql`insert into users ${sql(people)}`;
  await sql`
    insert into users (name, email, is_active)
    select 'Customer ' || n, 'customer' || n || '@example.com', n % 10 <> 0
    from generate_series(1, ${CUSTOMERS}::integer) as n
  `;
}

async function seedProducts(sql: Transaction): Promise<void> {
  const products = THINGS.flatMap((thing, row) =>
    MATERIALS.map((material, column) => ({
      name: `${material} ${thing}`,
      price: 9.9 + 13 * row + 7.5 * column,
    })),
  );
  await sql`insert into products ${sql(products)}`;
}

/**
 * One statement per batch: the lines first, priced as the products are now, and the orders with the sums of their lines.
 *
 * The same numbers every time; dates lie in the two years before now, more of them the nearer to now.
 */
async function seedOrders(sql: Transaction, from: number, to: number, orders: number): Promise<void> {
  await sql`
    with wanted as (
      select n, (n * 7919::bigint % ${PEOPLE.length + CUSTOMERS}::integer)::integer + 1 as user_id,
        now() - interval '730 days' * (1 - sqrt(n / ${orders}::float8)) as placed_at
      from generate_series(${from}::integer, ${to}::integer) as n
    ), lines as (
      insert into order_items (order_id, product_id, quantity, price)
      select n, products.id, 1 + (n + line) % 3, products.price
      from wanted
        cross join lateral generate_series(1, 1 + n % 3) as line
        join products on products.id = 1 + (n * 31 + line * 17) % 50
      returning order_id, quantity * price as amount
    )
    insert into orders (id, user_id, status, total, placed_at)
    select n, user_id,
      case
        when n % 12 = 0 then 'cancelled'
        when placed_at < now() - interval '30 days' then 'delivered'
        else (array['placed', 'paid', 'shipped', 'delivered'])[1 + n % 4]
      end,
      sum(amount), placed_at
    from wanted join lines on order_id = n
    group by n, user_id, placed_at
  `;
}
