/** Header fields as a list of lines, and which of them a cache may keep. */
import type { ServerResponse } from 'node:http';

/** Header lines in order, names as the handler spelled them. */
export type Fields = readonly (readonly [name: string, value: string])[];

/** Every outgoing message has it, though its types tell of requests only. */
type RawNamed = ServerResponse & { getRawHeaderNames(): string[] };

interface Field {
  /** As the handler spelled it, last. */
  readonly name: string;
  readonly lines: readonly string[];
}

/** RFC 9110, 5.6.2: what names of fields, directives and cookies are made of. */
export const TOKEN: RegExp = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

const NONE: readonly string[] = [];

/** The values of all lines with that name (lower case). */
export function linesOf(fields: Fields, name: string): readonly string[] {
  return byName(fields).get(name)?.lines ?? NONE;
}

/** The fields by lower-case name. A hit asks for a dozen of them, and in memory the next hit has the same fields. */
export const byName: (fields: Fields) => ReadonlyMap<string, Field> = remembered(function index(fields) {
  const index = new Map<string, Field>();
  for (const [name, value] of fields) {
    const key = name.toLowerCase();
    const lines = index.get(key)?.lines ?? NONE;
    index.set(key, { name, lines: [...lines, value] });
  }
  return index;
});

/**
 * A function of fields, which nobody changes, that works its result out once. It is kept on the list itself: a WeakMap
 * costs the garbage collector more than is saved where each hit brings fields of its own.
 */
export function remembered<Result extends object>(
  work: (fields: Fields) => Result,
): (fields: Fields) => Result {
  const place = Symbol(work.name);
  return function remember(fields: Fields & { [place]?: Result }) {
    fields[place] ??= work(fields);
    return fields[place];
  };
}

/** The value of a field that has one line; undefined when it has none or several. */
export function singleLine(fields: Fields, name: string): string | undefined {
  const lines = linesOf(fields, name);
  return lines.length === 1 ? lines[0] : undefined;
}

/** Content-Length; undefined when there is none, or none that can be. */
export function declaredLength(fields: Fields): number | undefined {
  const length = singleLine(fields, 'content-length') ?? '';
  return /^\d+$/.test(length) ? Number(length) : undefined;
}

/** What is set on a response just now. */
export function fieldsOf(res: ServerResponse): Fields {
  return (res as RawNamed).getRawHeaderNames().flatMap((name) => {
    // Node takes lists of numbers, too.
    const lines = [res.getHeader(name) ?? []].flat();
    return lines.map((line) => [name, String(line)] as const);
  });
}

/** What a handler set is not what the client gets: these are. */
export function resetHeaders(res: ServerResponse, fields: Fields): void {
  for (const name of res.getHeaderNames()) res.removeHeader(name);
  for (const [name, value] of fields) res.appendHeader(name, value);
}

/**
 * RFC 9111, 3.1: all fields are stored but those of the connection (RFC 9110, 7.6.1) and of proxy authentication.
 * Content-Length is made anew from the bytes.
 */
const NEVER_STORED = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'content-length',
]);

/** The fields of a response that may be stored. */
export function storableFields(fields: Fields): Fields {
  // RFC 9110, 7.6.1: the fields that Connection names are meant for this connection only.
  const listed = new Set(
    linesOf(fields, 'connection').flatMap((line) =>
      line.split(',').map((option) => option.trim().toLowerCase()),
    ),
  );
  return fields.filter(([name]) => isStorable(name) && !listed.has(name.toLowerCase()));
}

export function isStorable(name: string): boolean {
  return !NEVER_STORED.has(name.toLowerCase());
}

/** These speak for the response even where they were set before the cache saw the request. */
const SPEAKS_FOR_THE_RESPONSE = new Set(
  'age cache-control cdn-cache-control connection content-length date etag expires last-modified vary'.split(
    ' ',
  ),
);

/** What was set before the cache saw the request is that request's own: its id, its CORS headers. */
export function fieldsOfThePage(before: Fields, fields: Fields): Fields {
  const changed = new Set(changedSince(before, fields));
  return fields.filter((field) => changed.has(field) || SPEAKS_FOR_THE_RESPONSE.has(field[0].toLowerCase()));
}

/** The lines of `fields` whose field is not in `before`, or has other lines there. */
export function changedSince(before: Fields, fields: Fields): Fields {
  return fields.filter(([name]) => {
    const key = name.toLowerCase();
    return linesOf(before, key).join('\n') !== linesOf(fields, key).join('\n');
  });
}

/** These describe the bytes that are stored, and the bytes of a 304 are none. */
const OF_THE_STORED_BYTES = new Set([
  'content-encoding',
  'content-length',
  'content-md5',
  'content-range',
  'etag',
]);

/**
 * RFC 9111, 3.2: each field of the 304 is added, in place of the stored lines of that field; excepted is what 3.1
 * excludes, Content-Length, and what the stored bytes depend upon.
 */
export function updatedFields(stored: Fields, from304: Fields): Fields {
  const news = storableFields(from304).filter(([name]) => !OF_THE_STORED_BYTES.has(name.toLowerCase()));
  const replaced = new Set(news.map(([name]) => name.toLowerCase()));
  return [...stored.filter(([name]) => !replaced.has(name.toLowerCase())), ...news];
}
