/** What a customer is told about an order: one row per order and status, which stands for the e-mail of a real shop. */
import type { Sql } from '../database/pool.js';

export interface Notifications {
  /** The text, or undefined when it was sent before: an event may be heard by two workers. */
  send(orderId: number, status: string): Promise<string | undefined>;
}

export function createNotifications(sql: Sql): Notifications {
  return {
    async send(orderId, status) {
      // From the tables, not from the event: anybody who reaches Redis can publish one.
      const [row] = await sql<{ text: string }[]>`
        insert into notifications (order_id, status, text)
        select orders.id, orders.status,
          'Dear ' || coalesce(users.name, 'guest') || ', your order ' || orders.id || ' is ' || orders.status
        from orders left join users on users.id = user_id
        where orders.id = ${orderId} and orders.status = ${status}
        on conflict do nothing returning text
      `;
      return row?.text;
    },
  };
}
