/** Rows that others than the shop change, somebody in psql for example: Postgres tells of them, and they leave the cache. */
import { type Cache, invalidateOnNotify, notifyTriggerSql } from 'express-redis-suite/cache-aside';
import postgres from 'postgres';
import { PRODUCT_TAG, productKeysOf } from '../services/products.js';
import { USER_TAG, userKeysOf } from '../services/users.js';
import { APPLICATION_NAME, type Transaction } from './pool.js';

const CHANNEL = 'shop_rows';

/** The shop's own changes go through `write` and `writeThrough`: told of once more, what these have stored would go. */
const NOT_BY_THE_SHOP = `current_setting('application_name') <> '${APPLICATION_NAME}'`;

export async function createTriggers(sql: Transaction): Promise<void> {
  for (const table of ['users', 'products']) {
    await sql.unsafe(notifyTriggerSql({ table, channel: CHANNEL, when: NOT_BY_THE_SHOP })).simple();
  }
}

export interface RowChanges {
  close(): Promise<void>;
}

const RETRY_AFTER_MS = 1_000;

/**
 * On a connection of its own, straight to Postgres: a pooler in transaction mode would listen for nobody.
 *
 * Never rejects, and tries until it listens. Until then rows that others change are cached until their time is over.
 */
export function followRowChanges(databaseUrl: string, cache: Cache, log: (line: string) => void): RowChanges {
  let sql = openListener(databaseUrl);
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  let hasComplained = false;

  async function listen(): Promise<void> {
    try {
      await invalidateOnNotify({
        sql,
        channel: CHANNEL,
        cache,
        keysOf: (change) => [...productKeysOf(change), ...userKeysOf(change)],
        coveredBy: [PRODUCT_TAG, USER_TAG],
      });
    } catch (error) {
      if (isOver) return;
      complainOnce(error as Error & { code?: string });
      // The library remembers for each channel that listening failed.
      void sql.end({ timeout: 1 });
      sql = openListener(databaseUrl);
      timer = setTimeout(listen, RETRY_AFTER_MS);
    }
  }

  function complainOnce({ message, code }: Error & { code?: string }): void {
    if (!hasComplained) log(`not told of rows that others change (${message || code}): trying again`);
    hasComplained = true;
  }

  void listen();
  return {
    async close() {
      isOver = true;
      clearTimeout(timer);
      await sql.end({ timeout: 1 });
    },
  };
}

function openListener(databaseUrl: string): postgres.Sql {
  return postgres(databaseUrl, {
    max: 1,
    connect_timeout: 5,
    backoff: () => RETRY_AFTER_MS / 1000,
    connection: { application_name: APPLICATION_NAME },
    onnotice: () => {},
  });
}
