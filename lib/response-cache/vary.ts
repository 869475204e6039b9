/** Which request headers choose between the variants of a page (RFC 9111, 4.1), and the field a variant lies in. */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { splitUnquoted } from './cache-control.js';
import { TOKEN } from './fields.js';

/** Lower-case names of request headers, sorted, each once. */
export type VaryNames = readonly string[];

/** More than these would make every request a variant of its own. */
export const MAX_VARY_NAMES = 20;

/** Beside a request's headers: those that steer its handler, though no Vary names them. A client can send none of that name. */
export const STEERING = 'steering|';

/** The field of a page that has no variants. */
const SOLE_VARIANT = 'page';

/**
 * The names in a Vary field; undefined when nothing can match it.
 *
 * RFC 9111, 4.1: a Vary with the member `*` always fails to match.
 */
export function parseVary(lines: readonly string[]): VaryNames | undefined {
  const members = lines
    .join(',')
    .toLowerCase()
    .split(',')
    .map((member) => member.trim());
  if (members.includes('*')) return undefined;
  const names = unionOf(members.filter((member) => TOKEN.test(member)));
  return names.length > MAX_VARY_NAMES ? undefined : names;
}

export function unionOf(...lists: readonly VaryNames[]): VaryNames {
  return [...new Set(lists.flat())].sort();
}

/**
 * What chooses here, of the names kept with a page. What only another cache on this page knows of its requests, a client
 * could pretend with a header of that name.
 */
export function namesKept(kept: string, always: VaryNames): VaryNames {
  const names = parseVary([kept]) ?? [];
  return unionOf(
    always,
    names.filter((name) => isHeader(name) || always.includes(name)),
  );
}

/**
 * The field that holds the variant for these request headers: a digest, so that nothing a client sends is spelled out.
 *
 * RFC 9111, 4.1: they match when they do after normalisation; an absent header matches only an absent one.
 */
export function variantField(names: VaryNames, headers: IncomingHttpHeaders, ignoresOrder: boolean): string {
  const steering = headers[STEERING];
  if (names.length === 0 && steering === undefined) return SOLE_VARIANT;
  const selecting = names.map((name) => [name, normalise(name, sent(headers, name), ignoresOrder)]);
  if (steering !== undefined) selecting.push([STEERING, String(steering)]);
  return `v:${createHash('sha256').update(JSON.stringify(selecting)).digest('base64url')}`;
}

/** A header may be called `constructor`, which every object has. */
export function sent(headers: IncomingHttpHeaders, name: string): string | string[] | undefined {
  return Object.hasOwn(headers, name) ? headers[name] : undefined;
}

/** The others, with a `|`, are what a route chooses by besides: see selection.ts. */
function isHeader(name: string): boolean {
  return !name.includes('|');
}

const CASE_INSENSITIVE = new Set(['accept-language', 'accept-encoding', 'accept-charset']);
/** Their commas and spaces are part of somebody's secret. */
const EXACT = new Set(['cookie', 'authorization']);

function normalise(name: string, value: string | string[] | undefined, ignoresOrder: boolean): string | null {
  if (value === undefined) return null;
  const combined = Array.isArray(value) ? value.join(', ') : value;
  if (EXACT.has(name) || !isHeader(name)) return combined;
  const members = splitUnquoted(CASE_INSENSITIVE.has(name) ? combined.toLowerCase() : combined);
  // Many handlers read `de, en` as German first, so only the letter of the standard takes it for a set.
  if (ignoresOrder && name === 'accept-language') members.sort();
  return members.join(',');
}
