/** A client's conditions, answered from a whole response (RFC 9110, 13; RFC 9111, 4.3.2), and our own for the handler. */
import type { IncomingHttpHeaders } from 'node:http';
import { type Fields, linesOf, singleLine } from './fields.js';
import { dateOf, type TimedResponse } from './freshness.js';
import { parseHttpDate } from './http-date.js';

const CONDITION_HEADERS = ['if-none-match', 'if-modified-since', 'range', 'if-range'] as const;

/**
 * RFC 9111, 4.3.1: what the handler is asked is our own condition, with the validators of what is `stored`, or none: so
 * that the answer is about the whole page, not about this client's copy; or about a `range` of it.
 */
export function withOwnCondition(
  request: IncomingHttpHeaders,
  stored: Fields,
  range: string | undefined,
): IncomingHttpHeaders {
  const headers = { ...request };
  for (const name of CONDITION_HEADERS) delete headers[name];
  if (range !== undefined) headers.range = range;
  const [etag] = linesOf(stored, 'etag');
  const [lastModified] = linesOf(stored, 'last-modified');
  if (etag !== undefined) headers['if-none-match'] = etag;
  if (lastModified !== undefined) headers['if-modified-since'] = lastModified;
  return headers;
}

/** Whether a 304 might do. */
export function isConditional(headers: IncomingHttpHeaders): boolean {
  return headers['if-none-match'] !== undefined || headers['if-modified-since'] !== undefined;
}

/** RFC 9111, 4.3.2: these a cache must not evaluate; they are the origin server's. */
export function hasPrecondition(headers: IncomingHttpHeaders): boolean {
  return 'if-match' in headers || 'if-unmodified-since' in headers;
}

/** Whether a 304 is the answer. RFC 9110, 13.2.1: only where the response would be a 200. */
export function isNotModified(request: IncomingHttpHeaders, response: TimedResponse): boolean {
  if (response.status !== 200) return false;
  const noneMatch = request['if-none-match'];
  // RFC 9110, 13.1.3: If-Modified-Since is ignored beside If-None-Match.
  if (noneMatch !== undefined) return matchesWeakly(noneMatch, linesOf(response.fields, 'etag')[0]);
  const modifiedSince = request['if-modified-since'];
  if (modifiedSince === undefined) return false;
  const since = parseHttpDate(modifiedSince, response.receivedAtMs);
  return since !== undefined && lastModifiedOf(response) <= since;
}

/** RFC 9110, 13.1.2: weak comparison, so `W/` does not count. */
function matchesWeakly(noneMatch: string, etag: string | undefined): boolean {
  if (noneMatch.trim() === '*') return true;
  if (etag === undefined) return false;
  const tags = noneMatch.match(/(?:W\/)?"[^"]*"/g) ?? noneMatch.split(',').map((tag) => tag.trim());
  return tags.some((tag) => opaque(tag) === opaque(etag));
}

function opaque(etag: string): string {
  return etag.startsWith('W/') ? etag.slice(2) : etag;
}

/** RFC 9111, 4.3.2: without Last-Modified, the Date, or when it was received. */
function lastModifiedOf(response: TimedResponse): number {
  const modifiedAt = parseHttpDate(singleLine(response.fields, 'last-modified') ?? '', response.receivedAtMs);
  // Seconds are all that a date can say.
  return modifiedAt ?? Math.floor(dateOf(response) / 1000) * 1000;
}
