/** The verbs one request went through: told as Cache-Status (RFC 9211), on the diagnostics channel, and to the tests. */
import type { ServerResponse } from 'node:http';
import { type ResponseCacheEvent, responseCacheChannel } from '../core/channels.js';

type Verb =
  | 'pass'
  | 'lookup'
  | 'fresh'
  | 'stale'
  | 'miss'
  | 'wait'
  | 'serve'
  | 'validate'
  | 'fetch'
  | 'store'
  | 'invalidate';

/** Why the handler was asked (RFC 9211, 2.2). */
export type Forward = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'request' | 'stale';

/** The detail of an answer that the handler failed to give. */
export const STALE_IF_ERROR = 'stale-if-error';

/** What Cache-Status says about one answer. */
export interface Account {
  /** Answered from the store; seconds of freshness left. */
  readonly hitForSeconds?: number;
  readonly forward?: Forward;
  readonly forwardStatus?: number;
  readonly isStored?: boolean;
  readonly isCollapsed?: boolean;
  /** A token. */
  readonly detail?: string;
}

export class Trace {
  readonly verbs: Verb[] = [];
  readonly #startedAt = performance.now();
  #isOver = false;

  go(verb: Verb): void {
    this.verbs.push(verb);
  }

  /** Publishes the event; the first call counts. */
  end(outcome: ResponseCacheEvent['outcome'], reason?: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (!responseCacheChannel.hasSubscribers) return;
    const durationMs = performance.now() - this.#startedAt;
    const event = { trace: this.verbs, outcome, durationMs };
    responseCacheChannel.publish(reason === undefined ? event : { ...event, reason });
  }
}

/** Appends this cache to Cache-Status: caches nearer to the origin come first (RFC 9211, 2). */
export function tell(res: ServerResponse, account: Account): void {
  if (!res.headersSent) append(res, account);
}

/** The same for a response that is known to be unanswered. */
export function append(res: ServerResponse, account: Account): void {
  const earlier = res.getHeader('cache-status');
  const own = spell(account);
  res.setHeader('Cache-Status', earlier === undefined ? own : [earlier, own].flat().join(', '));
}

/** Says it otherwise, at the last moment. */
export function tellInstead(res: ServerResponse, told: Account, account: Account): void {
  const line = String(res.getHeader('cache-status') ?? '');
  res.setHeader(
    'Cache-Status',
    line.replace(spell(told), () => spell(account)),
  );
}

function spell(account: Account): string {
  const { hitForSeconds, forward, forwardStatus, isStored, isCollapsed, detail } = account;
  let spelled = 'ExpressRedisSuite';
  if (hitForSeconds !== undefined) spelled += `; hit; ttl=${hitForSeconds}`;
  if (forward !== undefined) spelled += `; fwd=${forward}`;
  if (forwardStatus !== undefined) spelled += `; fwd-status=${forwardStatus}`;
  if (isStored === true) spelled += '; stored';
  if (isCollapsed === true) spelled += '; collapsed';
  if (detail !== undefined) spelled += `; detail=${detail}`;
  return spelled;
}
