/** Orders: placed at the prices of the database, whatever the client believes them to be, and moved along one way. */
import type { Sql } from '../database/pool.js';
import type { Events } from '../events/events.js';

export type OrderStatus = 'placed' | 'paid' | 'shipped' | 'delivered' | 'cancelled';

/** Where an order may go from where it is. */
const NEXT: Readonly<Record<OrderStatus, readonly OrderStatus[]>> = {
  placed: ['paid', 'cancelled'],
  paid: ['shipped', 'cancelled'],
  shipped: ['delivered'],
  delivered: [],
  cancelled: [],
};

export const ORDER_STATUSES: readonly OrderStatus[] = Object.keys(NEXT) as OrderStatus[];

export interface OrderLine {
  readonly productId: number;
  readonly quantity: number;
}

interface Order {
  readonly id: number;
  /** Null for a guest's order. */
  readonly userId: number | null;
  readonly status: OrderStatus;
  readonly total: number;
  readonly placedAt: Date;
  readonly items: readonly (OrderLine & { readonly price: number })[];
}

export interface Orders {
  find(id: number): Promise<Order | undefined>;
  /** The new order, or the first product that does not exist, with nothing stored. */
  place(
    userId: number | null,
    lines: readonly OrderLine[],
  ): Promise<{ readonly order: Order } | { readonly unknownProductId: number }>;
  /** The changed order, or the status that it has and cannot leave in this direction; undefined without such an order. */
  move(
    id: number,
    to: OrderStatus,
  ): Promise<{ readonly order: Order } | { readonly stuckIn: OrderStatus } | undefined>;
}

/** Each change is published once it is committed; a process that dies in between publishes nothing. */
export function createOrders(sql: Sql, events: Pick<Events, 'publish'>): Orders {
  async function find(id: number): Promise<Order | undefined> {
    const [order] = await sql<Omit<Order, 'items'>[]>`
      select id, user_id as "userId", status, total, placed_at as "placedAt" from orders where id = ${id}
    `;
    if (order === undefined) return undefined;
    const items = await sql<Order['items'][number][]>`
      select product_id as "productId", quantity, price from order_items where order_id = ${id} order by product_id
    `;
    return { ...order, items: [...items] };
  }

  function publish({ id, status, total }: Order): void {
    events.publish({ kind: 'order', id, status, total });
  }

  return {
    find,

    async place(userId, lines) {
      const quantities = quantityByProduct(lines);
      const placed = await sql.begin(async function placeOrder(transaction) {
        const products = await transaction<{ id: number; price: number }[]>`
          select id, price from products where id in ${transaction([...quantities.keys()])} order by id
        `;
        const prices = new Map(products.map(({ id, price }) => [id, price]));
        const unknownProductId = [...quantities.keys()].find((id) => !prices.has(id));
        if (unknownProductId !== undefined) return { unknownProductId };

        const items = products.map(({ id, price }) => ({
          productId: id,
          quantity: quantities.get(id) ?? 0,
          price,
        }));
        const [placed] = await transaction<Omit<Order, 'items'>[]>`
          insert into orders (user_id, total) values (${userId}, ${totalOf(items)})
          returning id, user_id as "userId", status, total, placed_at as "placedAt"
        `;
        const order: Order = { ...(placed as Omit<Order, 'items'>), items };
        await transaction`
          insert into order_items ${transaction(
            items.map(({ productId, quantity, price }) => ({
              order_id: order.id,
              product_id: productId,
              quantity,
              price,
            })),
          )}
        `;
        return { order };
      });
      if ('order' in placed) publish(placed.order);
      return placed;
    },

    async move(id, to) {
      const from = ORDER_STATUSES.filter((status) => NEXT[status].includes(to));
      // One statement judges and changes, so that of two at once only one succeeds.
      const [moved] = await sql<{ id: number }[]>`
        update orders set status = ${to}
        where id = ${id} and status = any(string_to_array(${from.join()}, ',')) returning id
      `;
      const order = await find(id);
      if (order === undefined) return undefined;
      if (moved === undefined) return { stuckIn: order.status };
      publish({ ...order, status: to });
      return { order };
    },
  };
}

/** The same product on two lines is one line. */
function quantityByProduct(lines: readonly OrderLine[]): Map<number, number> {
  const quantities = new Map<number, number>();
  for (const { productId, quantity } of lines) {
    quantities.set(productId, (quantities.get(productId) ?? 0) + quantity);
  }
  return quantities;
}

/** In cents, which add up exactly. */
function totalOf(items: Order['items']): number {
  const cents = items.reduce((sum, { quantity, price }) => sum + quantity * Math.round(price * 100), 0);
  return cents / 100;
}
