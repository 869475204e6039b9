/** Decides: repeats a denial that still holds, else asks the window, else follows the policy for outages. */
import { type RateLimitEvent, rateLimitChannel } from '../core/channels.js';
import { isRedisTrouble, RETRY_AFTER_S } from '../core/errors.js';
import { spellId } from '../core/keys.js';
import { chooseWindow, shapeOf } from './choose-window.js';
import { MemoryWindow } from './memory-window.js';
import type { ResolvedOptions } from './resolve-options.js';
import type { Demand, Verdict } from './window.js';

/** What to give `refund` to take a request back. Plain data: another process may do it. */
export interface RefundToken {
  /** As it is spelled in Redis. */
  readonly key: string;
  readonly mark: number;
  readonly cost: number;
  /** Whether it was counted in this process alone, while Redis was away. */
  readonly isLocal: boolean;
}

/** A limiter's answer. */
export interface RateLimitDecision {
  readonly isAllowed: boolean;
  /** Of several windows, the name of the tightest: it is the one that the numbers are about. */
  readonly policy?: string;
  readonly limit: number;
  /** Live units, this request's among them when they were recorded. */
  readonly used: number;
  readonly remaining: number;
  /** Until the oldest hit leaves the window, or a block ends. Milliseconds; undefined when nobody can tell. */
  readonly resetMs: number | undefined;
  /** When a custom store says that it resets. */
  readonly resetTime?: Date;
  /** Until this cost fits: 0 when it does, Infinity when it is more than the limit. Milliseconds. */
  readonly retryAfterMs: number;
  /**
   * Present when the request was recorded and let in; with a custom store, which counts first, after a rejection too. A
   * rejection that `countRejected` recorded stays: it may stand for a hit that was let in.
   */
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

const RETRY_AFTER_OUTAGE_MS = 1000 * Number(RETRY_AFTER_S);

export function createLimiter(options: ResolvedOptions): Limiter {
  const { onRedisDown, passOnStoreError, countRejected, logger, policies } = options;
  const { window, source, scope, denials } = chooseWindow(options);
  const local = new MemoryWindow(shapeOf(options, shareOfLimit));
  // Where rejected requests count, each of them has to reach the window.
  const known = countRejected ? undefined : denials;
  const shape = JSON.stringify([policies.slice(1), options.blockMs]);
  // What clients can make up takes no more memory than this; a foreign store gets keys as they are.
  const idOf = source === 'store' ? (key: string) => key : spellId;
  const spent = new WeakSet<RefundToken>();
  const record = countRejected ? 'always' : 'if-allowed';

  async function take(question: Question): Promise<RateLimitDecision> {
    const askedAt = performance.now();
    const decision = await decide({ ...question, key: idOf(question.key) }, record, askedAt);
    if (rateLimitChannel.hasSubscribers) rateLimitChannel.publish(eventOf(options, decision, askedAt));
    return decision;
  }

  async function decide(question: Question, record: Demand['record'], now: number) {
    const { key, limit, cost } = question;
    if (isEndless(limit)) return unlimited(question);
    const denial = known?.find(key, { limit, cost, shape }, now);
    if (denial !== undefined) return describe(question, denial, 'denial');
    try {
      const verdict = await window.take(key, { cost, limit, record });
      if (verdict.isAllowed) known?.forget(key);
      else known?.remember(key, { limit, cost, shape }, now, verdict);
      return describe(question, verdict, source);
    } catch (error) {
      // From here on the policy decides about all requests, not about one a second.
      known?.forget(key);
      return withoutWindow(question, record, error);
    }
  }

  /** A foreign store counts on, and may say when it resets. */
  function isEndless(limit: number): boolean {
    return limit === Number.POSITIVE_INFINITY && source !== 'store';
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

  /** By this process' share of each limit. A cost that the whole limit allows fits into an unused share. */
  function decideLocally({ key, limit, cost }: Question, record: Demand['record']): RateLimitDecision {
    const limits = [limit, ...policies.slice(1).map((policy) => policy.limit)];
    const isTooMuch = limits.some((most) => cost > most);
    const charged = isTooMuch ? cost : Math.min(cost, ...limits.map(shareOfLimit));
    const verdict = local.take(key, { limit: shareOfLimit(limit), cost: charged, record });
    return describe({ key, limit, cost: charged }, verdict, 'memory');
  }

  function shareOfLimit(limit: number): number {
    return Math.min(limit, Math.max(1, Math.floor(limit / options.expectedProcesses)));
  }

  function describe(
    { key, limit, cost }: Question,
    { isAllowed, used, resetMs, resetTime, retryMs, mark, which }: Verdict,
    source: RateLimitDecision['source'],
  ): RateLimitDecision {
    const isLocal = source === 'memory' && options.client !== undefined;
    const policy = policies[which];
    const most = policy?.limit ?? limit;
    const room = Math.max(0, (isLocal ? shareOfLimit(most) : most) - used);
    // Of what is left a client that is shut out may take nothing, until it is let in again.
    const isShut = !isAllowed && (options.blockMs > 0 || cost <= room);
    const remaining = isShut ? 0 : room;
    const shutMs = isShut ? (Number.isFinite(retryMs) ? retryMs : options.blockMs) : 0;
    const until = resetMs === undefined ? undefined : Math.max(resetMs, shutMs);
    const decision: { -readonly [Part in keyof RateLimitDecision]: RateLimitDecision[Part] } = {
      isAllowed,
      limit: most,
      used,
      remaining,
      resetMs: until,
      retryAfterMs: retryMs,
      source,
    };
    if (policy !== undefined) decision.policy = policy.name;
    if (resetTime !== undefined) decision.resetTime = resetTime;
    if (mark !== 0 && (isAllowed || source === 'store')) decision.token = { key, mark, cost, isLocal };
    return decision;
  }

  async function look(question: Question): Promise<RateLimitDecision> {
    const { cost, limit } = question;
    if (isEndless(limit)) return unlimited({ ...question, cost: 0 });
    const asked = { ...question, key: idOf(question.key) };
    try {
      return describe(asked, await window.take(asked.key, { cost, limit, record: 'never' }), source);
    } catch (error) {
      return withoutWindow(asked, 'never', error);
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
      denials?.forgetUntil(key, performance.now());
    }
  }

  async function forget(key: string): Promise<void> {
    const id = idOf(key);
    local.forget(id);
    try {
      await window.forget(id);
    } finally {
      denials?.forgetUntil(id, performance.now());
    }
  }

  return { scope, take, look, refund, forget };
}

function unlimited({ limit, cost }: Question): RateLimitDecision {
  const nothing = { resetMs: 0, retryAfterMs: 0, source: 'memory' } as const;
  return { isAllowed: true, limit, used: cost, remaining: limit, ...nothing };
}

function byPolicy({ limit }: Question, isAllowed: boolean): RateLimitDecision {
  const retryAfterMs = isAllowed ? 0 : RETRY_AFTER_OUTAGE_MS;
  return { isAllowed, limit, used: 0, remaining: limit, resetMs: undefined, retryAfterMs, source: 'policy' };
}

function eventOf(
  { name, dryRun }: ResolvedOptions,
  { isAllowed, source }: RateLimitDecision,
  askedAt: number,
): RateLimitEvent {
  const denied = dryRun ? 'would-deny' : DENIED[source];
  return { name, decision: isAllowed ? 'allow' : denied, source, durationMs: performance.now() - askedAt };
}

const DENIED = { redis: 'deny', memory: 'deny', denial: 'deny', store: 'deny', policy: 'refuse' } as const;
