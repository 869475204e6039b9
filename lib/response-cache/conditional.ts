/** A client's conditions and ranges, answered from a whole response (RFC 9110, 13 and 14; RFC 9111, 4.3.2). */
import type { IncomingHttpHeaders } from 'node:http';
import { type Fields, linesOf, singleLine } from './fields.js';
import { dateOf, type TimedResponse } from './freshness.js';
import { parseHttpDate } from './http-date.js';

/** Bytes `first` to `last`, both included; `none` when the range lies outside. */
export type Range = { readonly first: number; readonly last: number } | 'none';

const CONDITION_HEADERS = ['if-none-match', 'if-modified-since', 'range', 'if-range'] as const;

/**
 * RFC 9111, 4.3.1: what the handler is asked is our own condition, with the validators of what is `stored`, or none: so
 * that the answer is about the whole page, not about this client's copy.
 */
export function withOwnCondition(request: IncomingHttpHeaders, stored: Fields): IncomingHttpHeaders {
  const headers = { ...request };
  for (const name of CONDITION_HEADERS) delete headers[name];
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
  const since = parseHttpDate(request['if-modified-since'] ?? '', response.receivedAtMs);
  return since !== undefined && lastModifiedOf(response) <= since;
}

/** The one range asked for; undefined for anything else, which is answered with everything. */
export function rangeOf(
  request: IncomingHttpHeaders,
  response: TimedResponse,
  size: number,
): Range | undefined {
  const range = /^bytes=(\d*)-(\d*)$/i.exec(request.range?.replace(/[ \t]/g, '') ?? '');
  if (range === null || response.status !== 200 || !isSameRepresentation(request['if-range'], response))
    return undefined;
  const [, from = '', to = ''] = range;
  if (from === '' && to === '') return undefined;
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined;
  return first < size && first <= last ? { first, last } : 'none';
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

/** RFC 9110, 13.1.5: strong comparison of an entity tag, or the very date of Last-Modified. */
function isSameRepresentation(ifRange: string | string[] | undefined, { fields }: TimedResponse): boolean {
  if (ifRange === undefined) return true;
  if (typeof ifRange !== 'string') return false;
  if (ifRange.startsWith('"')) return ifRange === linesOf(fields, 'etag')[0];
  return ifRange === singleLine(fields, 'last-modified');
}
