/** Byte ranges: the one a client asks for, and the one a stored part holds (RFC 9110, 14; RFC 9111, 3.3). */
import type { IncomingHttpHeaders } from 'node:http';
import { type Fields, linesOf, singleLine, storableFields } from './fields.js';
import type { TimedResponse } from './freshness.js';

/** Bytes `first` to `last`, both included. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/** A range of something that has `size` bytes as a whole. */
export interface Part extends Range {
  readonly size: number;
}

/** What a 206 holds; undefined when it does not say exactly, as with several ranges or an unknown size. */
export function partOf({ fields }: Pick<TimedResponse, 'fields'>): Part | undefined {
  const range = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(singleLine(fields, 'content-range') ?? '');
  if (range === null) return undefined;
  const [first, last, size] = range.slice(1).map(Number) as [number, number, number];
  // RFC 9110, 14.4: anything else is invalid.
  return first <= last && last < size ? { first, last, size } : undefined;
}

/** The fields of a response as they are stored with its `bytes`; undefined where they speak of others. */
export function fieldsToStore({ status, fields }: TimedResponse, bytes: number): Fields | undefined {
  const storable = storableFields(fields);
  return status === 206 ? withTrueRange(storable, bytes) : storable;
}

/** A part lies where it says that it begins; what is said to reach the end ends where its bytes end. */
function withTrueRange(fields: Fields, bytes: number): Fields | undefined {
  const part = partOf({ fields });
  if (part === undefined || bytes === 0) return undefined;
  const last = part.first + bytes - 1;
  const size = part.last === part.size - 1 ? last + 1 : part.size;
  if (last >= size) return undefined;
  const others = fields.filter(([name]) => name.toLowerCase() !== 'content-range');
  return [...others, ['Content-Range', spellRange({ first: part.first, last, size })]];
}

export function spellRange({ first, last, size }: Part): string {
  return `bytes ${first}-${last}/${size}`;
}

/** The one range asked for of `size` bytes; `none` when it lies outside; undefined for anything else. */
export function rangeOf(
  request: IncomingHttpHeaders,
  response: TimedResponse,
  size: number,
): Range | 'none' | undefined {
  const asked = askedRange(request);
  if (asked === undefined || (response.status !== 200 && response.status !== 206)) return undefined;
  if (!isSameRepresentation(request['if-range'], response)) return undefined;
  const { from, to } = asked;
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  return first < size && first <= last ? { first, last } : 'none';
}

/** Whether a stored part holds the range that is asked for, wholly (RFC 9111, 3.3). */
export function holdsRange(stored: TimedResponse, request: IncomingHttpHeaders): boolean {
  const part = partOf(stored);
  const range = part && rangeOf(request, stored, part.size);
  if (part === undefined || range === undefined || range === 'none') return false;
  return part.first <= range.first && range.last <= part.last;
}

/** A single range of bytes as it is spelled; undefined for none, several, or what is no range. */
export function askedRange(request: IncomingHttpHeaders): { from: string; to: string } | undefined {
  if (request.range === undefined) return undefined;
  const range = /^bytes=(\d*)-(\d*)$/i.exec(request.range.replace(/[ \t]/g, ''));
  const [, from = '', to = ''] = range ?? [];
  if (from === '' && to === '') return undefined;
  return from !== '' && to !== '' && Number(to) < Number(from) ? undefined : { from, to };
}

/** RFC 9110, 13.1.5: strong comparison of an entity tag, or the very date of Last-Modified. */
function isSameRepresentation(ifRange: string | string[] | undefined, { fields }: TimedResponse): boolean {
  if (ifRange === undefined) return true;
  if (typeof ifRange !== 'string') return false;
  if (ifRange.startsWith('"')) return ifRange === linesOf(fields, 'etag')[0];
  return ifRange === singleLine(fields, 'last-modified');
}
