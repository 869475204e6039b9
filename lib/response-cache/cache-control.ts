/** Cache-Control (RFC 9111, 5.2) and its targeted sister CDN-Cache-Control (RFC 9213), parsed. */
import { parseDictionary } from 'structured-headers';
import { type Fields, linesOf, remembered, TOKEN } from './fields.js';

/** Arguments by lower-case directive name, one per occurrence; `''` where there is none. */
export type Directives = ReadonlyMap<string, readonly string[]>;

/** RFC 9111, 1.2.2: a greater value counts as 2147483648 (2^31). */
const MAX_DELTA_SECONDS = 2 ** 31;

/** The directives of all Cache-Control lines of a message. */
export function parseCacheControl(lines: readonly string[]): Directives {
  const directives = new Map<string, string[]>();
  for (const member of splitUnquoted(lines.join(','))) {
    const equals = member.indexOf('=');
    const name = (equals === -1 ? member : member.slice(0, equals)).toLowerCase();
    // No space belongs around `=`: `max-age =60` is no max-age.
    if (!TOKEN.test(name)) continue;
    const argument = equals === -1 ? '' : unquote(member.slice(equals + 1));
    directives.set(name, [...(directives.get(name) ?? []), argument]);
  }
  return directives;
}

/**
 * The directives that bind this cache.
 *
 * RFC 9213, 2.2: a targeted field that is a valid, non-empty dictionary is used instead of Cache-Control and Expires;
 * one that does not parse is as if absent.
 */
export const directivesOf: (fields: Fields) => Binding = remembered(function bindingOf(fields) {
  const targeted = parseTargeted(linesOf(fields, 'cdn-cache-control'));
  if (targeted !== undefined) return { directives: targeted, isTargeted: true };
  return { directives: parseCacheControl(linesOf(fields, 'cache-control')), isTargeted: false };
});

interface Binding {
  readonly directives: Directives;
  readonly isTargeted: boolean;
}

/**
 * The seconds of a directive; undefined when it is absent.
 *
 * RFC 9111, 4.2.1: with several values that differ the response may count as stale, and with a value that is no number
 * it had better: 0.
 */
export function deltaSeconds(directives: Directives, name: string): number | undefined {
  const [first, ...more] = directives.get(name) ?? [];
  if (first === undefined) return undefined;
  if (!/^\d+$/.test(first) || more.some((other) => other !== first)) return 0;
  return Math.min(Number(first), MAX_DELTA_SECONDS);
}

function parseTargeted(lines: readonly string[]): Directives | undefined {
  if (lines.length === 0) return undefined;
  try {
    const members = [...parseDictionary(lines.join(', '))];
    if (members.length === 0) return undefined;
    // `no-store=?0` is false, so not there; a string or a decimal is no number of seconds.
    const stated = members.filter(([, [value]]) => value !== false);
    return new Map(stated.map(([name, [value]]) => [name, [argumentOf(value)]]));
  } catch {
    return undefined;
  }
}

function argumentOf(value: unknown): string {
  if (value === true) return '';
  return Number.isInteger(value) ? String(value) : 'invalid';
}

/** The members of a comma-separated list, trimmed, without the empty ones; commas within quotes do not separate. */
export function splitUnquoted(list: string): string[] {
  const members: string[] = [];
  let from = 0;
  let isQuoted = false;
  for (let at = 0; at <= list.length; at += 1) {
    const char = list[at];
    if (char === '"') isQuoted = !isQuoted;
    else if (char === '\\' && isQuoted) at += 1;
    else if (at >= list.length || (char === ',' && !isQuoted)) {
      members.push(list.slice(from, at).trim());
      from = at + 1;
    }
  }
  if (from < list.length) members.push(list.slice(from).trim());
  return members.filter((member) => member !== '');
}

function unquote(argument: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(argument);
  return quoted === null ? argument : quoted[1]!.replace(/\\(.)/g, '$1');
}
