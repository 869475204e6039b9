/** What the shop does when nobody waits for it: notify customers, and keep the report new. */
import type { ResponseCache } from 'express-redis-suite/response-cache';
import { isPostgresAway, type Sql } from '../database/pool.js';
import { REPORT_PATH } from '../routes/report-page.js';
import { createNotifications } from '../services/notifications.js';
import { createReports } from '../services/reports.js';
import { coalesce } from './coalesce.js';
import type { Events } from './events.js';

export interface JobParts {
  readonly sql: Sql;
  readonly events: Events;
  readonly reportCache: Pick<ResponseCache, 'purge'>;
  readonly log: (line: string) => void;
  /** How old the report may get when no order is placed, or nobody heard of it, in milliseconds. */
  readonly refreshEveryMs: number;
}

export interface Jobs {
  /** Resolves when what was begun is done. */
  stop(): Promise<void>;
}

/** Orders that come in within this time after the first one cost one refresh. */
const GATHER_MS = 500;
/** Notifications that wait for the database; what is heard beyond them is forgotten, as pub/sub forgets. */
const MAX_UNDER_WAY = 1_000;

export function startJobs({ sql, events, reportCache, log, refreshEveryMs }: JobParts): Jobs {
  const reports = createReports(sql);
  const notifications = createNotifications(sql);
  const refresh = coalesce(() => refreshReport().catch(complain('refreshing the report')), GATHER_MS);
  const schedule = setInterval(refresh.ask, refreshEveryMs);
  const underWay = new Set<Promise<void>>();
  // What was ordered while no worker was there is in no report yet.
  refresh.ask();

  events.follow(function work(event) {
    if (event.kind !== 'order') return;
    refresh.ask();
    if (underWay.size >= MAX_UNDER_WAY) return;
    const sending = notify(event.id, event.status).catch(complain(`notifying of order ${event.id}`));
    underWay.add(sending);
    void sending.finally(() => underWay.delete(sending));
  });

  async function notify(orderId: number, status: string): Promise<void> {
    const text = await notifications.send(orderId, status);
    if (text === undefined) return;
    log(`notification: ${text}`);
    events.publish({ kind: 'notification', id: orderId, text });
  }

  async function refreshReport(): Promise<void> {
    const { refreshedAt } = await reports.refreshMonthlyRevenue();
    // After the refresh, never before: a page made in between would be the old one, and stay.
    await reportCache.purge(REPORT_PATH);
    events.publish({ kind: 'report', id: 'monthly-revenue', refreshedAt: refreshedAt.toISOString() });
  }

  function complain(what: string) {
    return function complainOf(error: unknown) {
      const isAway = isPostgresAway(error);
      log(`${what}: ${isAway ? 'the database is away' : ((error as Error)?.message ?? error)}`);
    };
  }

  return {
    async stop() {
      clearInterval(schedule);
      await refresh.stop();
      await Promise.all(underWay);
    },
  };
}
