/** The window that all processes share: one command per decision, by Redis' clock. */
import type { RedisClient } from '../core/client.js';
import { SuiteError } from '../core/errors.js';
import type { Guard } from '../core/guard.js';
import { tagged } from '../core/keys.js';
import { runScript } from '../core/script.js';
import type { Demand, Verdict, Window } from './window.js';
import { refundScript, takeScript } from './window.lua.js';

const RECORD = { never: '0', 'if-allowed': '1', always: '2' } as const;

export class RedisWindow implements Window {
  readonly #guard: Guard;
  readonly #prefix: string;
  readonly #windowMicros: string;

  /** @param prefix what stands before `{<client>}` in each key */
  constructor(guard: Guard, prefix: string, windowMs: number) {
    this.#guard = guard;
    this.#prefix = prefix;
    this.#windowMicros = String(Math.round(windowMs * 1000));
  }

  /** @throws SuiteError of the guard when Redis is away or refuses. */
  async take(key: string, { cost, limit, record }: Demand): Promise<Verdict> {
    const keys = [this.#spell(key)];
    const args = [String(cost), RECORD[record], this.#windowMicros, String(limit)];
    const reply = await this.#guard.run((redis) => runScript(redis, takeScript, keys, args));
    const [allowed, retry, mark, used, reset] = (reply as unknown[]).map(Number) as FiveNumbers;
    return {
      isAllowed: allowed === 1,
      used,
      resetMs: reset / 1000,
      retryMs: retry < 0 ? Number.POSITIVE_INFINITY : retry / 1000,
      mark,
    };
  }

  async refund(key: string, mark: number, cost: number): Promise<boolean> {
    const keys = [this.#spell(key)];
    const args = [String(mark), String(mark + cost - 1)];
    return Number(await this.#guard.run((redis) => runScript(redis, refundScript, keys, args))) > 0;
  }

  async forget(key: string): Promise<void> {
    await this.#guard.run((redis) => redis.unlink(this.#spell(key)));
  }

  #spell(key: string): string {
    return this.#prefix + tagged(key);
  }
}

type FiveNumbers = [number, number, number, number, number];

/** Limiters of one name on one client. */
interface SharedName {
  readonly windowMs: number;
}

const sharedNames = new WeakMap<object, Map<string, SharedName>>();

/**
 * Reserves a key prefix for one window length on one client; what comes back is the same for all who share it.
 *
 * Sharing hits is sound only while all agree how long a hit lives.
 *
 * @throws SuiteError ERS_NAME_IN_USE
 */
export function claimName(client: RedisClient, prefix: string, name: string, windowMs: number): SharedName {
  const byPrefix = sharedNames.get(client) ?? new Map<string, SharedName>();
  sharedNames.set(client, byPrefix);
  const shared = byPrefix.get(prefix) ?? { windowMs };
  byPrefix.set(prefix, shared);
  if (shared.windowMs === windowMs) return shared;
  throw new SuiteError(
    'ERS_NAME_IN_USE',
    `name: ${JSON.stringify(name)} already names a limiter with a window of ${shared.windowMs} ms on this client, not of ${windowMs} ms. Give one of them another \`name\`.`,
  );
}
