/** Answers a request from a stored response (RFC 9111, 4). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isNotModified } from './conditional.js';
import { beforeItEnds, keepCookiesPrivate } from './departure.js';
import type { Entry } from './entry.js';
import { byName, linesOf } from './fields.js';
import { dateOf } from './freshness.js';
import { NOT_IN_304 } from './head.js';
import { type Part, partOf, rangeOf, spellRange } from './ranges.js';
import { type Account, tell } from './trace.js';
import { unionOf } from './vary.js';

/** The answer is complete when this returns. */
export function serveEntry(
  req: IncomingMessage,
  res: ServerResponse,
  entry: Entry,
  ageMs: number,
  account: Account,
): void {
  setStoredFields(res, entry);
  res.setHeader('Age', Math.floor(ageMs / 1000));
  const dates = linesOf(entry.fields, 'date');
  if (dates.length !== 1) res.setHeader('Date', dates[0] ?? new Date(dateOf(entry)).toUTCString());
  tell(res, account);
  beforeItEnds(res, () => keepCookiesPrivate(res, linesOf(entry.fields, 'set-cookie')));
  res.statusCode = entry.status;
  res.statusMessage = entry.reason ?? '';

  const { body } = entry;
  const part = (entry.status === 206 ? partOf(entry) : undefined) ?? whole(body);
  const range = req.method === 'GET' ? rangeOf(req.headers, entry, part.size) : undefined;
  if (isNotModified(req.headers, entry)) sendNotModified(res);
  else if (range === 'none') sendUnsatisfiable(res, part.size);
  else if (range !== undefined)
    sendRange(res, body.subarray(range.first - part.first), { ...range, size: part.size });
  else sendWhole(res, body, req.method === 'HEAD');
}

/** RFC 9111, 5.2.1.7. */
export function sendGatewayTimeout(res: ServerResponse): void {
  res.statusCode = 504;
  res.setHeader('Content-Length', 0);
  res.end();
}

function setStoredFields(res: ServerResponse, { fields }: Entry): void {
  for (const [key, { name, lines }] of byName(fields)) {
    if (key === 'set-cookie') for (const line of lines) res.appendHeader(name, line);
    else if (key === 'vary') res.setHeader(name, withVaryOf(res, lines));
    // A copy: node appends to the list that it is given.
    else res.setHeader(name, lines.length === 1 ? lines[0]! : [...lines]);
  }
}

/** What this request's own middlewares said before counts too. */
function withVaryOf(res: ServerResponse, lines: readonly string[]): string {
  const own = [res.getHeader('vary') ?? []].flat().map(String);
  const members = [...own, ...lines]
    .join(',')
    .split(',')
    .map((member) => member.trim());
  const known = new Map(
    members.filter((member) => member !== '').map((member) => [member.toLowerCase(), member]),
  );
  return unionOf([...known.keys()])
    .map((key) => known.get(key))
    .join(', ');
}

function whole(body: Buffer): Part {
  return { first: 0, last: body.length - 1, size: body.length };
}

function sendWhole(res: ServerResponse, body: Buffer, isHead: boolean): void {
  // RFC 9110, 8.6: no Content-Length in a 204.
  if (res.statusCode !== 204) res.setHeader('Content-Length', body.length);
  res.end(isHead ? undefined : body);
}

function sendNotModified(res: ServerResponse): void {
  for (const name of NOT_IN_304) res.removeHeader(name);
  res.statusCode = 304;
  res.statusMessage = '';
  res.end();
}

/** RFC 9110, 14.4. */
function sendUnsatisfiable(res: ServerResponse, size: number): void {
  for (const name of NOT_IN_304) res.removeHeader(name);
  res.statusCode = 416;
  res.statusMessage = '';
  res.setHeader('Content-Range', `bytes */${size}`);
  res.setHeader('Content-Length', 0);
  res.end();
}

/** `body` begins where the range does. */
function sendRange(res: ServerResponse, body: Buffer, range: Part): void {
  const length = range.last + 1 - range.first;
  res.statusCode = 206;
  res.statusMessage = '';
  res.setHeader('Content-Range', spellRange(range));
  res.setHeader('Content-Length', length);
  res.end(body.subarray(0, length));
}
