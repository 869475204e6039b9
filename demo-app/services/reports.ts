/** Reports over all orders: what a month brought in, added up from every order line when it is asked for. */
import type { Sql } from '../database/pool.js';
import { monthlyRevenue } from '../database/schema.js';

interface Month {
  /** `2026-11`, a month of UTC. */
  readonly month: string;
  readonly orders: number;
  readonly customers: number;
  readonly revenue: number;
}

interface Report {
  readonly generatedAt: Date;
  readonly months: readonly Month[];
}

export interface Reports {
  /** Reads every order there is: some tenths of a second with 200,000 of them. */
  monthlyRevenue(): Promise<Report>;
}

export function createReports(sql: Sql): Reports {
  let underWay: Promise<Report> | undefined;

  async function addUp(): Promise<Report> {
    const months = await sql<Month[]>`${monthlyRevenue(sql)} order by month`;
    return { generatedAt: new Date(), months: [...months] };
  }

  return {
    // One at a time: while Redis is away, everyone who asks comes through to here.
    monthlyRevenue() {
      underWay ??= addUp().finally(() => {
        underWay = undefined;
      });
      return underWay;
    },
  };
}
