/** What every process of the demo is connected to, opened at start-up and closed at the end. */
import type { Config } from '../config.js';
import { type Events, openEvents } from '../events/events.js';
import { openPool, type Sql } from './pool.js';
import { prepareDatabase } from './prepare.js';
import { openRedis, type RedisClient } from './redis.js';

export interface Connections {
  readonly sql: Sql;
  /** Absent without REDIS_URL. */
  readonly redis: RedisClient | undefined;
  /** Closed by itself, and first. */
  readonly events: Events;
  /** With Redis frozen or Postgres busy, too. */
  close(): Promise<void>;
}

const CLOSED_WITHIN_MS = 1000;

/**
 * Waits for Postgres, which is the truth, and only for the first attempt at Redis, which is not. Any process may come
 * first and make the tables.
 */
export async function openConnections(config: Config, log: (line: string) => void): Promise<Connections> {
  const sql = openPool(config);
  const [redis] = await Promise.all([
    config.redisUrl === undefined ? undefined : openRedis(config.redisUrl, log),
    prepareDatabase(sql, { orders: config.orders, log }),
  ]);
  const events = await openEvents(redis);

  return {
    sql,
    redis,
    events,
    async close() {
      const deadline = new Promise((resolve) => setTimeout(resolve, CLOSED_WITHIN_MS));
      const closing = [sql.end({ timeout: CLOSED_WITHIN_MS / 1000 })];
      if (redis?.isReady) closing.push(redis.close());
      await Promise.race([Promise.allSettled(closing), deadline]);
    },
  };
}
