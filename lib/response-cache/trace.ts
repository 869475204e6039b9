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

export interface Trace {
  readonly verbs: readonly Verb[];
  go(verb: Verb): void;
  /** Publishes the event; the first call counts. */
  end(outcome: ResponseCacheEvent['outcome'], reason?: string): void;
}

export function startTrace(): Trace {
  const startedAt = performance.now();
  const verbs: Verb[] = [];
  let isOver = false;

  return {
    verbs,
    go: (verb) => verbs.push(verb),
    end(outcome, reason) {
      if (isOver) return;
      isOver = true;
      if (!responseCacheChannel.hasSubscribers) return;
      const durationMs = performance.now() - startedAt;
      const event = { trace: verbs, outcome, durationMs };
      responseCacheChannel.publish(reason === undefined ? event : { ...event, reason });
    },
  };
}

/** Appends this cache to Cache-Status: caches nearer to the origin come first (RFC 9211, 2). */
export function tell(res: ServerResponse, account: Account): void {
  if (res.headersSent) return;
  const earlier = res.getHeader('cache-status');
  const lines = earlier === undefined ? [] : [earlier].flat().map(String);
  res.setHeader('Cache-Status', [...lines, spell(account)].join(', '));
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
  const parameters = [
    hitForSeconds === undefined ? '' : `hit; ttl=${hitForSeconds}`,
    forward === undefined ? '' : `fwd=${forward}`,
    forwardStatus === undefined ? '' : `fwd-status=${forwardStatus}`,
    isStored === true ? 'stored' : '',
    isCollapsed === true ? 'collapsed' : '',
    detail === undefined ? '' : `detail=${detail}`,
  ];
  return ['ExpressRedisSuite', ...parameters.filter((parameter) => parameter !== '')].join('; ');
}
