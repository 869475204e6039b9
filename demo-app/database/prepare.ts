/** Brings a database to the state the shop expects; any number of processes may do so at once, and any number of times. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isPostgresAway, type Sql, type Transaction } from './pool.js';
import { createTriggers } from './row-changes.js';
import { addKeysAndIndexes, createTables } from './schema.js';
import { type SeedOptions, seed } from './seed.js';

/** Any number will do that nobody else locks in this database. */
const LOCK = 7_305_218;
const POSTGRES_UP_WITHIN_MS = 30_000;
/** Another name whenever the tables change: a database of before is then refused, not misread. */
const MARKER = 'demo_prepared_3';
const DUPLICATE_TABLE = '42P07';

/**
 * All in one transaction under one lock: who comes second waits for the first and finds everything done, and a process
 * that dies half-way leaves nothing behind. The lock is the transaction's, because a pooler in transaction mode may give
 * a lock of the session to somebody else.
 */
export async function prepareDatabase(sql: Sql, options: SeedOptions): Promise<void> {
  await untilPostgresAnswers(sql, options.log);
  if (await isPrepared(sql)) return;
  options.log('database: creating the tables, or waiting for another process that does');
  await sql.begin(async function createOnce(transaction) {
    await transaction`select pg_advisory_xact_lock(${LOCK})`;
    if (await isPrepared(transaction)) return;
    await create(transaction, options);
  });
}

async function create(sql: Transaction, options: SeedOptions): Promise<void> {
  try {
    await createTables(sql);
  } catch (error) {
    if ((error as { code?: string }).code !== DUPLICATE_TABLE) throw error;
    throw new Error(
      `the database has tables of another program or version (${(error as Error).message}): give the demo a database of its own`,
    );
  }
  await seed(sql, options);
  await addKeysAndIndexes(sql);
  await createTriggers(sql);
  await sql`create table ${sql(MARKER)} as select now() as at`;
  await sql`analyze users, products, orders, order_items, monthly_revenue`;
}

/** Read from the catalog itself: to_regclass() answers from a cache that may be older than the lock. */
async function isPrepared(sql: Sql | Transaction): Promise<boolean> {
  const [row] = await sql<{ isPrepared: boolean }[]>`
    select exists (
      select from pg_tables where tablename = ${MARKER} and schemaname = any(current_schemas(false))
    ) as "isPrepared"
  `;
  return row?.isPrepared === true;
}

/** A container of Postgres listens some seconds after it was started. */
async function untilPostgresAnswers(sql: Sql, log: (line: string) => void): Promise<void> {
  const giveUpAt = performance.now() + POSTGRES_UP_WITHIN_MS;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await sql`select ${1}::integer`;
      return;
    } catch (error) {
      if (!isPostgresAway(error) || performance.now() > giveUpAt) throw error;
      if (attempt === 1) log('database: waiting for Postgres');
      await sleep(250);
    }
  }
}
