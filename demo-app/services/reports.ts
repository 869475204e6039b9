/** Reports over all orders: read from what a materialized view has added up, made anew by the worker. */
import type { Sql } from '../database/pool.js';

interface Month {
  /** `2026-11`, a month of UTC. */
  readonly month: string;
  readonly orders: number;
  readonly customers: number;
  readonly revenue: number;
}

interface Report {
  /** Every order placed or changed before this moment is in it. */
  readonly refreshedAt: Date;
  readonly months: readonly Month[];
}

interface BestSeller {
  readonly productId: number;
  readonly name: string;
  readonly sold: number;
  readonly revenue: number;
}

export interface Reports {
  monthlyRevenue(): Promise<Report>;
  /** The ten products that sold most in the last 30 days, added up each time: some tens of milliseconds with 200,000 orders. */
  bestSellers(): Promise<readonly BestSeller[]>;
  /** Reads every order there is, while readers go on with the old report; some tenths of a second with 200,000 orders. */
  refreshMonthlyRevenue(): Promise<Pick<Report, 'refreshedAt'>>;
}

const VIEW = 'monthly_revenue';

export function createReports(sql: Sql): Reports {
  return {
    async monthlyRevenue() {
      // One statement, so that the moment and the months belong together.
      const [report] = await sql<Report[]>`
        select refreshed_at as "refreshedAt",
          (select coalesce(json_agg(monthly_revenue order by month), '[]') from monthly_revenue) as months
        from refreshes where view_name = ${VIEW}
      `;
      return report as Report;
    },

    async bestSellers() {
      return sql<BestSeller[]>`
        select products.id as "productId", products.name, sum(quantity)::integer as sold,
          sum(quantity * order_items.price) as revenue
        from orders
          join order_items on order_items.order_id = orders.id
          join products on products.id = product_id
        where placed_at > now() - ${'30 days'}::interval and status <> 'cancelled'
        group by products.id
        order by sold desc, products.id
        limit 10
      `;
    },

    refreshMonthlyRevenue() {
      return sql.begin(async function refresh(transaction) {
        // `now()` is when the transaction began, which is before the view looks at the orders.
        const [row] = await transaction<Pick<Report, 'refreshedAt'>[]>`
          update refreshes set refreshed_at = now() where view_name = ${VIEW}
          returning refreshed_at as "refreshedAt"
        `;
        await transaction`refresh materialized view concurrently monthly_revenue`;
        return row as Pick<Report, 'refreshedAt'>;
      });
    },
  };
}
