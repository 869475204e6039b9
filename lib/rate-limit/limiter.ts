/** Decides: repeats a denial that still holds, else asks the window, else follows the policy for outages. */
import { type RateLimitEvent, rateLimitChannel } from '../core/channels.js';
import { isRedisTrouble } from '../core/errors.js';
import { guardRedis } from '../core/guard.js';
import { namespacePrefix } from '../core/keys.js';
import { Denials } from './denials.js';
import { MemoryWindow } from './memory-window.js';
import type { Options } from './options.js';
import { claimName, RedisWindow } from './redis-window.js';
import type { ResolvedOptions } from './resolve-options.js';
import { asStore, StoreWindow, startStore } from './store-window.js';
import type { Demand, Verdict, Window } from './window.js';

/** What to give `refund` to take a request back. Plain data: another process may do it. */
export interface RefundToken {
  readonly key: string;
  readonly mark: number;
  readonly cost: number;
  /** Whether it was counted in this process alone, while Redis was away. */
  readonly isLocal: boolean;
}

/** A limiter's answer. */
export interface RateLimitDecision {
  readonly isAllowed: boolean;
  readonly limit: number;
  /** Live units, this request's among them when they were recorded. */
  readonly used: number;
  readonly remaining: number;
  /** Until the oldest hit leaves the window. Milliseconds; undefined when a custom store cannot tell. */
  readonly resetMs: number | undefined;
  /** Until this cost fits: 0 when it does, Infinity when it is more than the limit. Milliseconds. */
  readonly retryAfterMs: number;
  /** Present when something was recorded. */
  readonly token?: RefundToken;
  /** Who decided. `policy`: nobody could be asked, and `onRedisDown` (or `passOnStoreError`) said so. */
  readonly source: RateLimitEvent['source'];
}

interface Question {
  readonly key: string;
  readonly limit: number;
  readonly cost: number;
}

export interface Limiter {
  /** Where keys are counted: limiters with equal scopes count together. */
  readonly scope: unknown;
  take(question: Question): Promise<RateLimitDecision>;
  /** What `take` would answer; records nothing. */
  look(question: Question): Promise<RateLimitDecision>;
  /** False when there was nothing to take back, or Redis is away. Rejects only when a custom store does. */
  refund(token: RefundToken): Promise<boolean>;
  forget(key: string): Promise<void>;
}

/** RFC 9110 10.2.3 counts in whole seconds, and an outage may be over in the next. */
const RETRY_AFTER_OUTAGE_MS = 1000;

export function createLimiter(options: ResolvedOptions): Limiter {
  const { name, windowMs, onRedisDown, expectedProcesses, passOnStoreError, countRejected, logger } = options;
  const { window, source, scope } = chooseWindow(options);
  const local = new MemoryWindow(windowMs);
  // Where rejected requests count, each of them has to reach the window.
  const denials = source === 'redis' && !countRejected ? new Denials() : undefined;
  const spent = new WeakSet<RefundToken>();
  const record = countRejected ? 'always' : 'if-allowed';

  async function take(question: Question): Promise<RateLimitDecision> {
    const askedAt = performance.now();
    const decision = await decide(question, record, askedAt);
    if (rateLimitChannel.hasSubscribers) rateLimitChannel.publish(describe(name, decision, askedAt));
    return decision;
  }

  async function decide(question: Question, record: Demand['record'], now: number) {
    const { key, limit, cost } = question;
    if (limit === Number.POSITIVE_INFINITY) return unlimited(question);
    const denial = denials?.find(key, limit, cost, now);
    if (denial !== undefined) return toDecision(question, denial, 'denial');
    try {
      const verdict = await window.take(key, { cost, limit, record });
      if (verdict.isAllowed) denials?.forget(key);
      else denials?.remember(key, limit, cost, now, verdict);
      return toDecision(question, verdict, source);
    } catch (error) {
      return withoutWindow(question, record, error);
    }
  }

  function withoutWindow(question: Question, record: Demand['record'], error: unknown): RateLimitDecision {
    if (source === 'store' && passOnStoreError) {
      logger.error(error, 'rate-limit: the store failed, the request passes unlimited.');
      return byPolicy(question, true);
    }
    if (!isRedisTrouble(error) || source !== 'redis') throw error;
    if (onRedisDown !== 'local') return byPolicy(question, onRedisDown === 'open');
    return decideLocally(question, record);
  }

  /** By this process' share of the limit. A cost that the whole limit allows fits into an unused share. */
  function decideLocally({ key, limit, cost }: Question, record: Demand['record']): RateLimitDecision {
    const share = Math.min(limit, Math.max(1, Math.floor(limit / expectedProcesses)));
    const charged = cost > limit ? cost : Math.min(cost, share);
    const verdict = local.take(key, { limit: share, cost: charged, record });
    return { ...toDecision({ key, limit: share, cost: charged }, verdict, 'memory', true), limit };
  }

  async function look(question: Question): Promise<RateLimitDecision> {
    const { key, cost, limit } = question;
    if (limit === Number.POSITIVE_INFINITY) return unlimited({ ...question, cost: 0 });
    try {
      return toDecision(question, await window.take(key, { cost, limit, record: 'never' }), source);
    } catch (error) {
      return withoutWindow(question, 'never', error);
    }
  }

  async function refund(token: RefundToken): Promise<boolean> {
    if (spent.has(token)) return false;
    spent.add(token);
    const { key, mark, cost } = token;
    if (token.isLocal) return local.refund(key, mark, cost);
    try {
      return await window.refund(key, mark, cost);
    } catch (error) {
      spent.delete(token);
      if (isRedisTrouble(error)) return false;
      throw error;
    } finally {
      denials?.forget(key);
    }
  }

  async function forget(key: string): Promise<void> {
    local.forget(key);
    try {
      await window.forget(key);
    } finally {
      denials?.forget(key);
    }
  }

  return { scope, take, look, refund, forget };
}

interface Choice {
  readonly window: Window;
  readonly source: 'redis' | 'store' | 'memory';
  readonly scope: unknown;
}

function chooseWindow(options: ResolvedOptions): Choice {
  const { client, windowMs, name, namespace, deadlineMs, validations } = options;
  if (options.store !== undefined) {
    const store = asStore(options.store);
    validations.checkStore(store);
    startStore(store, options as unknown as Options, options.logger);
    const window = new StoreWindow(store, windowMs, (hits) => validations.checkHits(hits));
    const scope = store.localKeys ? store : `${store.constructor.name} ${store.prefix ?? ''}`;
    return { window, source: 'store', scope };
  }
  if (client === undefined) {
    const window = new MemoryWindow(windowMs);
    return { window, source: 'memory', scope: window };
  }
  const prefix = `${namespacePrefix(namespace)}rl:${name}:`;
  const guard = guardRedis(client, { feature: 'rate-limit', deadlineMs });
  const scope = claimName(client, prefix, name, windowMs);
  return { window: new RedisWindow(guard, prefix, windowMs), source: 'redis', scope };
}

function toDecision(
  { key, limit, cost }: Question,
  { isAllowed, used, resetMs, retryMs, mark }: Verdict,
  source: RateLimitDecision['source'],
  isLocal = false,
): RateLimitDecision {
  const remaining = Math.max(0, limit - used);
  const decision = { isAllowed, limit, used, remaining, resetMs, retryAfterMs: retryMs, source };
  return mark === 0 ? decision : { ...decision, token: { key, mark, cost, isLocal } };
}

function unlimited({ limit, cost }: Question): RateLimitDecision {
  const nothing = { isAllowed: true, used: cost, resetMs: 0, retryMs: 0, mark: 0 };
  return { ...toDecision({ key: '', limit, cost }, nothing, 'memory'), remaining: limit };
}

function byPolicy({ limit }: Question, isAllowed: boolean): RateLimitDecision {
  const retryAfterMs = isAllowed ? 0 : RETRY_AFTER_OUTAGE_MS;
  return { isAllowed, limit, used: 0, remaining: limit, resetMs: 0, retryAfterMs, source: 'policy' };
}

function describe(name: string, { isAllowed, source }: RateLimitDecision, askedAt: number): RateLimitEvent {
  const denied = source === 'policy' ? 'refuse' : 'deny';
  return { name, decision: isAllowed ? 'allow' : denied, source, durationMs: performance.now() - askedAt };
}
