/** A sliding window in Redis for express-rate-limit and express-slow-down themselves: one line to swap, no other change. */
import type { RedisClient } from '../core/client.js';
import { invalidOption } from '../core/errors.js';
import { type Guard, guardRedis } from '../core/guard.js';
import { globEscaped, namespacePrefix, spellId } from '../core/keys.js';
import { checkName, checkNumber, checkWhole, checkWindow } from './checks.js';
import { fromNow } from './information.js';
import type { ClientRateLimitInfo, Options, Store } from './options.js';
import { nameOf } from './policies.js';
import { claimName, RedisWindow } from './redis-window.js';
import type { Demand } from './window.js';

export interface RedisStoreOptions {
  /** Any client of the `redis` package (5.12 or later) or of `ioredis` (5.3 or later). */
  readonly client: RedisClient;
  /** Stands before every key, for databases that several apps share. Default none. */
  readonly namespace?: string;
  /** Names the window in Redis; stores of one name share their hits. Default the policy, such as `5-in-1min`. */
  readonly name?: string;
  /**
   * Where every hit has to be counted: the entries that one window is divided into. Bounds what a client can make Redis
   * keep; a hit may count `windowMs / resolution` longer than the window. Default 100.
   */
  readonly resolution?: number;
  /** How long a request waits for Redis. Milliseconds, default 100. */
  readonly deadlineMs?: number;
}

const DEFAULT_WINDOW_MS = 60_000;
/** Hits that count when the store cannot know which limit they are held against. */
const MOST_HITS = 1_000_000;

/**
 * A `Store` with a sliding window, shared by all processes on one Redis.
 *
 * With a numeric limit it is exact: rejected requests are not recorded. Where it cannot know the limit (a function, or
 * express-slow-down) or rejections may be taken back (`skipFailedRequests`, `skipSuccessfulRequests`), every hit counts,
 * as Stores count.
 *
 * Its methods reject with ERS_REDIS_UNAVAILABLE or ERS_REDIS_REFUSED; `passOnStoreError` says what becomes of the request.
 */
export class RedisStore implements Store {
  readonly localKeys: boolean = false;
  /** Milliseconds; `init` sets it. */
  windowMs: number = DEFAULT_WINDOW_MS;
  #prefix: string;
  #ready: RedisWindow | undefined;
  #limit = MOST_HITS;
  readonly #guard: Guard;
  readonly #options: RedisStoreOptions;
  readonly #resolution: number;

  /** @throws SuiteError ERS_INVALID_OPTION, ERS_INVALID_CLIENT */
  constructor(options: RedisStoreOptions) {
    if (typeof options !== 'object' || options === null)
      throw invalidOption('client', options, 'Use new RedisStore({ client }).');
    const { prefix } = options as { readonly prefix?: unknown };
    // rate-limit-redis has it. Dropped without a word, stores of one policy would share their hits.
    if (prefix !== undefined) throw invalidOption('prefix', prefix, 'Use `name`, such as "login".');
    const deadlineMs = checkNumber('deadlineMs', options.deadlineMs ?? 100, 1, 'milliseconds, such as 100');
    this.#options = options;
    this.#resolution = checkWhole('resolution', options.resolution ?? 100);
    this.#guard = guardRedis(options.client, { feature: 'rate-limit', deadlineMs });
    this.#prefix = this.#spellPrefix(options.name ?? 'store');
  }

  /** What stands before each key. */
  get prefix(): string {
    return this.#prefix;
  }

  /**
   * The limiter calls it when it is made. Until it has succeeded, nothing can be counted.
   *
   * @throws SuiteError ERS_INVALID_OPTION for a window that is none, ERS_NAME_IN_USE when another limiter of this name on
   * this client has another window.
   */
  init({ windowMs: given, limit, skipFailedRequests, skipSuccessfulRequests }: Options): void {
    const windowMs = checkWindow(Number(given));
    // express-slow-down says 0 and means that it decides itself.
    const knowsLimit =
      Number.isFinite(limit) && (limit as number) > 0 && !skipFailedRequests && !skipSuccessfulRequests;
    const { client, name = nameOf(limit, windowMs, []) } = this.#options;
    this.windowMs = windowMs;
    this.#limit = knowsLimit ? (limit as number) : MOST_HITS;
    this.#prefix = this.#spellPrefix(name);
    claimName(client, this.#prefix, name, windowMs);
    const shape = knowsLimit ? { windowMs } : { windowMs, resolution: this.#resolution };
    this.#ready = new RedisWindow(this.#guard, this.#prefix, shape);
  }

  async get(key: string): Promise<ClientRateLimitInfo | undefined> {
    const { used, resetMs } = await this.#window.take(spellId(key), this.#demand('never'));
    return used === 0 ? undefined : { totalHits: used, resetTime: fromNow(resetMs) };
  }

  async increment(key: string): Promise<ClientRateLimitInfo> {
    const { isAllowed, used, resetMs } = await this.#window.take(spellId(key), this.#demand('if-allowed'));
    return { totalHits: isAllowed ? used : used + 1, resetTime: fromNow(resetMs) };
  }

  /** Takes back the newest hit. */
  async decrement(key: string): Promise<void> {
    await this.#window.refundNewest(spellId(key));
  }

  async resetKey(key: string): Promise<void> {
    await this.#window.forget(spellId(key));
  }

  /** Forgets all clients, by SCAN: its time grows with the database. */
  async resetAll(): Promise<void> {
    const { redis } = this.#guard;
    for await (const page of redis.scan(`${globEscaped(this.#prefix)}*`, 1_000))
      await Promise.all(page.map((key) => redis.unlink(key)));
  }

  get #window(): RedisWindow {
    if (this.#ready !== undefined) return this.#ready;
    throw new Error('RedisStore: init() has to succeed first. A limiter calls it, and logs why it failed.');
  }

  #demand(record: Demand['record']): Demand {
    return { cost: 1, limit: this.#limit, record };
  }

  #spellPrefix(name: string): string {
    return `${namespacePrefix(this.#options.namespace)}rl:${checkName(name)}:`;
  }
}
