/** The demo's settings: from the environment only, judged as a whole before anything starts. */
import { randomBytes } from 'node:crypto';

export interface Config {
  /** `PORT`, default 3000; 0 takes a free one. */
  readonly port: number;
  /** `DATABASE_URL`, required: `postgres://...`. */
  readonly databaseUrl: string;
  /**
   * The URL leads to a pooler in transaction mode, so no statement is prepared on a connection: `PGBOUNCER=1`, or
   * `pgbouncer=true` in its query, as ORMs have it, or DATABASE_DIRECT_URL besides. `PGBOUNCER=0`: it does not.
   */
  readonly isBehindPgBouncer: boolean;
  /**
   * `DATABASE_DIRECT_URL`: Postgres itself, for LISTEN, which needs a connection that stays. Default: DATABASE_URL where
   * that leads to no pooler. Without one, a row changed by others is served from the cache until its time is over.
   */
  readonly databaseDirectUrl: string | undefined;
  /** `REDIS_URL`, `redis://...` or `rediss://...`; without it everything stays in this process. */
  readonly redisUrl: string | undefined;
  /** `SESSION_SECRET`: comma-separated, the first one signs, all are accepted. Random for this start when absent. */
  readonly sessionSecrets: string[];
  /** `DEMO_ORDERS`, default 200000: how many orders a fresh database is filled with. */
  readonly orders: number;
  /** `REPORT_REFRESH_SECONDS`, default 60: how old the report may get when no order makes it new. */
  readonly refreshEveryMs: number;
  /** `RATE_LIMIT`, default 100: requests to /api per window and client address. */
  readonly rateLimit: number;
  /** `LOGIN_RATE_LIMIT`, default 10: failed logins per window and client address. */
  readonly loginRateLimit: number;
  /** `RATE_LIMIT_WINDOW_SECONDS`, default 60: the window of both. */
  readonly rateLimitWindowMs: number;
  /**
   * `DEMO_REDIS_PID`: the process of the Redis at REDIS_URL, for the dashboard's button that freezes it. `npm run demo`
   * sets it for a Redis that it started itself. Default: no button.
   */
  readonly redisPid: number | undefined;
  /** What the person who started the demo should know about these settings. */
  readonly notices: readonly string[];
}

/** One line per variable that will not do. Values are not repeated: URLs hold passwords. */
export class BadEnvironment extends Error {
  constructor(lines: readonly string[]) {
    super(lines.join('\n'));
    this.name = 'BadEnvironment';
  }
}

const POSTGRES_URL = /^postgres(ql)?:\/\/./;
const POSTGRES_EXAMPLE = 'postgres://user:password@127.0.0.1:5432/shop';
const POOLER_IN_QUERY = /([?&])pgbouncer=true(&|$)/;

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws BadEnvironment with everything that is wrong at once. */
export function configFrom(environment: Environment): Config {
  const complaints: string[] = [];
  const notices: string[] = [];
  // `PORT= npm run demo` means "not set".
  const given = (name: string) => environment[name]?.trim() || undefined;

  function complain(name: string, remedy: string) {
    complaints.push(`${name}: ${remedy}`);
  }

  function integer(name: string, fallback: number, min: number, max: number): number {
    const text = given(name);
    if (text === undefined) return fallback;
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) complain(name, `must be a whole number from ${min} to ${max}`);
    return value;
  }

  function url(name: string, pattern: RegExp, example: string): string | undefined {
    const text = given(name);
    if (text !== undefined && !pattern.test(text)) complain(name, `must be a URL such as ${example}`);
    return text;
  }

  function flag(name: string, fallback: boolean): boolean {
    const text = given(name) ?? (fallback ? '1' : '0');
    if (text !== '0' && text !== '1') complain(name, 'must be 1 or 0');
    return text === '1';
  }

  function secrets(name: string): string[] {
    const text = given(name);
    if (text === undefined) {
      notices.push(`${name} is not set: sessions are signed with a random secret and end with this process`);
      return [randomBytes(32).toString('base64url')];
    }
    const parts = text.split(',').map((part) => part.trim());
    if (parts.includes('')) complain(name, 'must be one secret, or several with a comma between each two');
    if (parts.some((part) => part.length < 16))
      notices.push(`${name} is short: fine for a try, not for more`);
    return parts;
  }

  function redisPid(): number | undefined {
    const name = 'DEMO_REDIS_PID';
    if (given(name) === undefined) return undefined;
    if (redisUrl === undefined) complain(name, 'must come with the REDIS_URL of that Redis');
    // Process 1 is the system's.
    return integer(name, 0, 2, 2 ** 22);
  }

  const databaseUrl = url('DATABASE_URL', POSTGRES_URL, POSTGRES_EXAMPLE) ?? '';
  if (databaseUrl === '') complain('DATABASE_URL', `is required, such as ${POSTGRES_EXAMPLE}`);
  const directUrl = url('DATABASE_DIRECT_URL', POSTGRES_URL, POSTGRES_EXAMPLE);
  const isBehindPgBouncer = flag('PGBOUNCER', directUrl !== undefined || POOLER_IN_QUERY.test(databaseUrl));
  const databaseDirectUrl = directUrl ?? (isBehindPgBouncer ? undefined : databaseUrl);
  if (databaseDirectUrl === undefined) {
    notices.push(
      'DATABASE_DIRECT_URL is not set: rows that others change are cached until their time is over',
    );
  }
  const redisUrl = url('REDIS_URL', /^rediss?:\/\/./, 'redis://127.0.0.1:6379');
  if (redisUrl === undefined) {
    notices.push(
      'REDIS_URL is not set: limits, sessions and caches live in this process only and end with it',
    );
  }

  const config: Config = {
    port: integer('PORT', 3000, 0, 65_535),
    // Postgres refuses a connection with a parameter that it does not know.
    databaseUrl: databaseUrl.replace(POOLER_IN_QUERY, (_, before, after) => (after === '' ? '' : before)),
    isBehindPgBouncer,
    databaseDirectUrl,
    redisUrl,
    sessionSecrets: secrets('SESSION_SECRET'),
    orders: integer('DEMO_ORDERS', 200_000, 0, 5_000_000),
    refreshEveryMs: 1000 * integer('REPORT_REFRESH_SECONDS', 60, 1, 86_400),
    rateLimit: integer('RATE_LIMIT', 100, 1, 100_000_000),
    loginRateLimit: integer('LOGIN_RATE_LIMIT', 10, 1, 100_000_000),
    rateLimitWindowMs: 1000 * integer('RATE_LIMIT_WINDOW_SECONDS', 60, 1, 86_400),
    redisPid: redisPid(),
    notices,
  };
  if (complaints.length > 0) throw new BadEnvironment(complaints);
  return config;
}
