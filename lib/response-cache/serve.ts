/** Answers a request from a stored response (RFC 9111, 4). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isNotModified } from './conditional.js';
import { beforeItEnds, keepCookiesPrivate } from './departure.js';
import type { Entry } from './entry.js';
import { NOT_IN_304 } from './head.js';
import { type Part, partOf, rangeOf, spellRange } from './ranges.js';
import { readyHead } from './ready-head.js';
import { type Account, append } from './trace.js';
import { unionOf } from './vary.js';

/** The answer is complete when this returns. */
export function serveEntry(
  req: IncomingMessage,
  res: ServerResponse,
  entry: Entry,
  ageMs: number,
  account: Account,
): void {
  const { method, headers } = req;
  const { status, body, reason = '' } = entry;
  const { lines, cookies, vary } = readyHead(entry);
  // A copy of a list: node appends to the one that it is given.
  for (const [name, value] of lines) res.setHeader(name, typeof value === 'string' ? value : [...value]);
  if (vary.length > 0) res.setHeader('Vary', withVaryOf(res, vary));
  for (const cookie of cookies) res.appendHeader('Set-Cookie', cookie);
  res.setHeader('Age', Math.floor(ageMs / 1000));
  append(res, account);
  beforeItEnds(res, () => keepCookiesPrivate(res, cookies));
  // Where they say so already, to write them makes all that is read of the response after this dearer.
  if (res.statusCode !== status) res.statusCode = status;
  if ((res.statusMessage ?? '') !== reason) res.statusMessage = reason;

  const part = (status === 206 ? partOf(entry) : undefined) ?? whole(body);
  const range = method === 'GET' ? rangeOf(headers, entry, part.size) : undefined;
  if (isNotModified(headers, entry)) sendNotModified(res);
  else if (range === 'none') sendUnsatisfiable(res, part.size);
  else if (range !== undefined)
    sendRange(res, body.subarray(range.first - part.first), { ...range, size: part.size });
  else sendWhole(res, entry, method === 'HEAD');
}

/** RFC 9111, 5.2.1.7. */
export function sendGatewayTimeout(res: ServerResponse): void {
  res.statusCode = 504;
  res.setHeader('Content-Length', 0);
  res.end();
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

function sendWhole(res: ServerResponse, { status, body }: Entry, isHead: boolean): void {
  // RFC 9110, 8.6: no Content-Length in a 204.
  if (status !== 204) res.setHeader('Content-Length', body.length);
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
