/** The one pool of Postgres connections, made at start-up, and which of its errors mean that Postgres is away. */
import postgres from 'postgres';

/** `numeric` comes back as a number: the shop's amounts have two decimals and stay far below 2^53 cents. */
export type Sql = postgres.Sql<{ numeric: number }>;
export type Transaction = postgres.TransactionSql<{ numeric: number }>;

export interface PoolSettings {
  readonly databaseUrl: string;
  readonly isBehindPgBouncer: boolean;
}

/** By which Postgres tells the shop's connections from others. */
export const APPLICATION_NAME = 'express-redis-suite-demo';

const NUMERIC_OID = 1700;

/**
 * Connects when the first query comes.
 *
 * Give every query outside a transaction a parameter. One without is sent behind others on the same connection before
 * they are answered; a pooler in transaction mode (PgBouncer 1.18, Supavisor) lends that connection to somebody else
 * after the first answer, and the other answers never come. With a parameter its type is asked for first, which waits.
 */
export function openPool({ databaseUrl, isBehindPgBouncer }: PoolSettings): Sql {
  return postgres(databaseUrl, {
    max: 10,
    // In transaction mode the next statement may run on another server connection, which knows no statement of ours.
    prepare: !isBehindPgBouncer,
    // Asked for on each new connection, and a connection lost just then would be a rejection that nobody handles: the end
    // of the process. What goes without are arrays as parameters.
    fetch_types: false,
    connect_timeout: 5,
    // Postgres back from a restart is used again within 200 ms; the library's own pauses grow to 20 s.
    backoff: () => 0.2,
    connection: { application_name: APPLICATION_NAME },
    onnotice: () => {},
    types: {
      numeric: { to: NUMERIC_OID, from: [NUMERIC_OID], serialize: String, parse: Number },
    },
  });
}

/** From the library: connections refused, closed, timed out. From the system: the same, one level below. */
const CLIENT_CODES =
  /^(CONNECT|CONNECTION)_|^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT)$/;
/** Classes 08 (connection exception), 57P (operator intervention) and 53 (insufficient resources), Postgres' appendix A. */
const SQLSTATES = /^(08...|57P0.|53...)$/;

/** Whether asking again a little later may help, and nothing is wrong with the query. */
export function isPostgresAway(error: unknown): boolean {
  const code = String((error as { code?: unknown } | undefined)?.code ?? '');
  return CLIENT_CODES.test(code) || SQLSTATES.test(code);
}
