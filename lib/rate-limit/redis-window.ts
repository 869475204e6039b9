/** The window that all processes share: one command per decision, by Redis' clock. */
import type { RedisClient } from '../core/client.js';
import { SuiteError } from '../core/errors.js';
import type { Guard } from '../core/guard.js';
import { runScript } from '../core/script.js';
import { Denials } from './denials.js';
import { refundScript } from './refund.lua.js';
import { type Demand, type Shape, spanMicros, type Verdict, type Window } from './window.js';
import { takeScript } from './window.lua.js';

const RECORD = { never: '0', 'if-allowed': '1', always: '2' } as const;

export class RedisWindow implements Window {
  readonly #guard: Guard;
  readonly #prefix: string;
  readonly #windowMicros: string;
  readonly #spanMicros: string;
  readonly #blockMicros: string;
  readonly #further: readonly string[];

  /** @param prefix what stands before `{<client>}` in each key */
  constructor(guard: Guard, prefix: string, shape: Shape) {
    const { windowMs, further = [], blockMs = 0 } = shape;
    this.#guard = guard;
    this.#prefix = prefix;
    this.#windowMicros = micros(windowMs);
    this.#spanMicros = String(spanMicros(shape));
    this.#blockMicros = micros(blockMs);
    this.#further = further.flatMap((period) => [micros(period.windowMs), String(period.limit)]);
  }

  /** @throws SuiteError of the guard when Redis is away or refuses. */
  async take(key: string, { cost, limit, record }: Demand): Promise<Verdict & { readonly resetMs: number }> {
    const spelled = this.#spell(key);
    const args = [
      String(cost),
      RECORD[record],
      this.#spanMicros,
      this.#blockMicros,
      this.#windowMicros,
      String(limit),
      ...this.#further,
    ];
    const reply = (await this.#guard.run(
      (redis) => runScript(redis, takeScript, [spelled], args),
      spelled,
    )) as unknown[];
    const retry = Number(reply[1]);
    return {
      isAllowed: Number(reply[0]) === 1,
      used: Number(reply[3]),
      resetMs: Number(reply[4]) / 1000,
      retryMs: retry < 0 ? Number.POSITIVE_INFINITY : retry / 1000,
      mark: Number(reply[2]),
      which: Number(reply[5]),
    };
  }

  async refund(key: string, mark: number, cost: number): Promise<boolean> {
    return (await this.#takeBack(key, String(mark), cost)) > 0;
  }

  /** For stores that cannot say which hit they mean. */
  async refundNewest(key: string): Promise<void> {
    await this.#takeBack(key, 'newest', 1);
  }

  async forget(key: string): Promise<void> {
    const spelled = this.#spell(key);
    await this.#guard.run((redis) => redis.unlink(spelled), spelled);
  }

  async #takeBack(key: string, mark: string, cost: number): Promise<number> {
    const spelled = this.#spell(key);
    const args = [mark, String(cost), this.#windowMicros];
    return Number(await this.#guard.run((redis) => runScript(redis, refundScript, [spelled], args), spelled));
  }

  #spell(key: string): string {
    return `${this.#prefix}{${key}}`;
  }
}

function micros(ms: number): string {
  return String(Math.round(ms * 1000));
}

/** Limiters of one name on one client. */
interface SharedName {
  readonly windowMs: number;
  /** A reset or refund through one of them shows in all. */
  readonly denials: Denials;
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
  const shared = byPrefix.get(prefix) ?? { windowMs, denials: new Denials() };
  byPrefix.set(prefix, shared);
  if (shared.windowMs === windowMs) return shared;
  throw new SuiteError(
    'ERS_NAME_IN_USE',
    `name: ${JSON.stringify(name)} already names a limiter with a window of ${shared.windowMs} ms on this client, not of ${windowMs} ms. Give one of them another \`name\`.`,
  );
}
