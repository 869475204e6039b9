/** What counts as a session among the values found in Redis, which somebody may have tampered with. */
import type { SessionData } from 'express-session';
import { isTooDeep } from '../core/depth.js';

/**
 * The value as a session, or undefined when it is none: an array, a string, a cookie of wrong types, or nested so deeply
 * that express-session could not look at it. Keys called `__proto__` are taken out: an app that stores what a client sent
 * as JSON may have them in its sessions.
 *
 * @param json the text that JSON.parse made it of, where there is one: it shows at a glance that no key is `__proto__`.
 */
export function asSession(value: unknown, json?: string): SessionData | undefined {
  if (!isObject(value) || isTooDeep(value, json)) return undefined;
  if (mayHoldProtoKey(json)) dropProtoKeys(value);
  if ('cookie' in value && !isSoundCookie(value.cookie)) return undefined;
  return value as unknown as SessionData;
}

/**
 * The cookie of stored data with nothing in it but a cookie's attributes.
 *
 * express-session copies every field onto its `Cookie`, where one called `serialize` or `maxAge` would do harm.
 */
export function cookieOf(data: SessionData): SessionData['cookie'] {
  const stored = data.cookie as unknown as Json;
  const cookie: Json = {};
  for (const [name] of ATTRIBUTES) if (stored[name] !== undefined) cookie[name] = stored[name];
  return cookie as unknown as SessionData['cookie'];
}

type Json = Record<string, unknown>;

/**
 * Names of what `Cookie.data` of express-session writes, and what they may be where they are set at all: `domain: null` or
 * `expires: false` of an app's options is stored as it is.
 */
const ATTRIBUTES: readonly (readonly [name: string, isSound: (value: unknown) => boolean])[] = [
  ['originalMaxAge', Number.isFinite],
  ['expires', isDate],
  ['partitioned', isSwitch],
  ['priority', isOneOf('', 'low', 'medium', 'high')],
  ['secure', isSwitch],
  ['httpOnly', isSwitch],
  ['domain', (value) => typeof value === 'string' && /^[A-Za-z0-9.-]*$/.test(value)],
  // RFC 6265 4.1.1: path-value = <any CHAR except CTLs or ";">
  ['path', (value) => typeof value === 'string' && /^[\x20-\x3a\x3c-\x7e]*$/.test(value)],
  ['sameSite', (value) => value === true || isOneOf('', 'lax', 'strict', 'none')(value)],
];

function isSoundCookie(cookie: unknown): boolean {
  if (!isObject(cookie)) return false;
  return ATTRIBUTES.every(([name, isSound]) => isUnset(cookie[name]) || isSound(cookie[name]));
}

/** A key may be spelled with escapes. */
function mayHoldProtoKey(json: string | undefined): boolean {
  return json === undefined || json.includes('__proto__') || json.includes('\\u');
}

/** JSON.parse makes `__proto__` an own key, harmless until somebody merges it into something. */
function dropProtoKeys(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  if (Object.hasOwn(value, '__proto__')) Reflect.deleteProperty(value, '__proto__');
  for (const inner of Object.values(value)) dropProtoKeys(inner);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Asked for nothing but whether it is set; in an app's options it may be a `'1'` of the environment. */
function isSwitch(value: unknown): boolean {
  return typeof value !== 'object';
}

function isOneOf(...words: readonly string[]): (value: unknown) => boolean {
  return (value) => typeof value === 'string' && words.includes(value.toLowerCase());
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === null || value === false;
}

function isDate(value: unknown): boolean {
  if (value instanceof Date) return !Number.isNaN(value.getTime());
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}
