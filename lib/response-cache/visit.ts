/** One request on its way through the cache: the page it asks for, and the ways to answer it without asking the handler. */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { invalidOption } from '../core/errors.js';
import { hasPrecondition } from './conditional.js';
import type { Entry } from './entry.js';
import { type CacheRequest, pageId, pageKey, type Target, targetOf } from './key.js';
import type { Settings } from './options.js';
import { isSafeMethod } from './policy.js';
import type { Serving } from './reuse.js';
import { credentialsOf, selectingHeaders } from './selection.js';
import { sendGatewayTimeout, serveEntry } from './serve.js';
import { openTagging } from './tags.js';
import { type Account, type Forward, type Trace, tell } from './trace.js';

export type Next = (error?: unknown) => void;

export interface Visit {
  readonly req: CacheRequest;
  readonly res: ServerResponse;
  readonly next: Next;
  readonly trace: Trace;
  readonly target: Target;
  /** The page's Redis key. */
  readonly key: string;
  /** The request's headers, and what else chooses between the page's variants. */
  readonly headers: IncomingHttpHeaders;
}

export type Page =
  | { readonly passBecause: string }
  | ({ readonly passBecause?: undefined } & Pick<Visit, 'target' | 'key' | 'headers'>);

/** The page that is asked for, or why the cache stands aside. Throws what the user's functions throw. */
export function pageOf(settings: Settings, req: CacheRequest): Page {
  const { prefix, hosts, skip, key, query, selection } = settings;
  const { method = '', headers } = req;
  const target = targetOf(req, headers);
  if (typeof target === 'string') return { passBecause: target };
  if (method === 'OPTIONS' || method === 'TRACE') return { passBecause: 'method' };
  const isSafe = isSafeMethod(method);
  if (isSafe && hasBody(headers)) return { passBecause: 'body' };
  if (hosts.length > 0 && !hosts.includes(target.host)) return { passBecause: 'host' };
  const isSkipped: unknown = skip(req);
  if (isSkipped instanceof Promise) throw invalidOption('skip', isSkipped, 'Answer at once.');
  if (isSkipped) return { passBecause: 'skip' };
  if (isSafe && hasPrecondition(headers)) return { passBecause: 'precondition' };
  const id: unknown = key === undefined ? pageId(target, req, query) : key(req);
  if (typeof id !== 'string') throw invalidOption('key', id, 'Return a string.');
  return { target, key: pageKey(prefix, id), headers: selectingHeaders(req, target, selection) };
}

/** RFC 9112, 6: one of these says so. What a handler makes of the body of a GET is not in the page's identity. */
function hasBody(headers: IncomingHttpHeaders): boolean {
  return 'transfer-encoding' in headers || Number(headers['content-length'] ?? 0) !== 0;
}

/** On to the handler, and nothing is kept of what it answers. */
export function pass(
  visit: Omit<Visit, 'target' | 'key' | 'headers'>,
  forward: Forward,
  detail?: string,
): void {
  visit.trace.go('pass');
  openTagging(visit.res);
  tell(visit.res, detail === undefined ? { forward } : { forward, detail });
  visit.trace.end('bypass', detail);
  visit.next();
}

/** From the store; without `forward` in the account it is a hit. */
export function serve({ req, res, trace }: Visit, entry: Entry, use: Serving, account: Account): void {
  trace.go('serve');
  const hit = { hitForSeconds: Math.floor(use.ttlMs / 1000) };
  serveEntry(req, res, entry, use.ageMs, account.forward === undefined ? hit : account);
  trace.end(use.isFresh ? 'hit' : 'stale');
}

export function refuse({ res, trace }: Visit, detail: string): void {
  tell(res, { forward: 'request', detail });
  sendGatewayTimeout(res);
  trace.end('bypass', detail);
}

/** What is refused to a request with credentials may well be stored for one without. */
export function isPersonal({ headers }: Pick<Visit, 'headers'>): boolean {
  return credentialsOf(headers) !== undefined;
}

/** There is nobody to answer any more. */
export function isGone({ req, res }: Pick<Visit, 'req' | 'res'>): boolean {
  return res.headersSent || res.destroyed || req.socket.destroyed;
}

/** Somebody else answered while we were waiting, a request timeout for one. */
export function isAnswered(res: ServerResponse): boolean {
  return res.headersSent;
}
