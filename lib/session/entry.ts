/** What counts as a session among the values found in Redis, which somebody may have tampered with. */
import session, { type SessionData } from 'express-session';

/**
 * The value as a session, or undefined when it is none: an array, a string, a cookie of wrong types, a `__proto__`.
 *
 * @param json the text that JSON.parse made it of, where there is one: it shows at a glance that no key is `__proto__`.
 */
export function asSession(value: unknown, json?: string): SessionData | undefined {
  if (!isObject(value)) return undefined;
  if (mayHoldProtoKey(json) && hasProtoKey(value)) return undefined;
  if ('cookie' in value && !isSoundCookie(value.cookie)) return undefined;
  return value as unknown as SessionData;
}

/**
 * The cookie of stored data with nothing in it but a cookie's attributes.
 *
 * express-session copies every field onto its `Cookie`, where one called `serialize` or `maxAge` would do harm. Data that
 * was stored without a cookie gets an ordinary one.
 */
export function cookieOf(data: SessionData): SessionData['cookie'] {
  const stored = data.cookie as unknown as Record<string, unknown> | undefined;
  if (stored === undefined) return new session.Cookie();
  const known = ATTRIBUTES.filter(([name]) => stored[name] !== undefined);
  return Object.fromEntries(known.map(([name]) => [name, stored[name]])) as unknown as SessionData['cookie'];
}

type Json = Record<string, unknown>;

/** Names and types of what `Cookie.data` of express-session writes. */
const ATTRIBUTES: readonly (readonly [name: string, isSound: (value: unknown) => boolean])[] = [
  ['originalMaxAge', (value) => value === null || Number.isFinite(value)],
  ['expires', (value) => value === null || value === false || isDate(value)],
  ['partitioned', isBoolean],
  ['priority', (value) => ['low', 'medium', 'high'].includes(value as string)],
  ['secure', (value) => isBoolean(value) || value === 'auto'],
  ['httpOnly', isBoolean],
  ['domain', (value) => typeof value === 'string' && /^[A-Za-z0-9.-]*$/.test(value)],
  // RFC 6265 4.1.1: path-value = <any CHAR except CTLs or ";">
  ['path', (value) => value === null || (typeof value === 'string' && /^[\x20-\x3a\x3c-\x7e]*$/.test(value))],
  [
    'sameSite',
    (value) => isBoolean(value) || ['lax', 'strict', 'none'].includes(String(value).toLowerCase()),
  ],
];

function isSoundCookie(cookie: unknown): boolean {
  if (!isObject(cookie)) return false;
  return ATTRIBUTES.every(([name, isSound]) => cookie[name] === undefined || isSound(cookie[name]));
}

/** A key may be spelled with escapes. */
function mayHoldProtoKey(json: string | undefined): boolean {
  return json === undefined || json.includes('__proto__') || json.includes('\\u');
}

/** JSON.parse makes `__proto__` an own key, harmless until somebody merges it into something. */
function hasProtoKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Object.hasOwn(value, '__proto__')) return true;
  return Object.values(value).some(hasProtoKey);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean';
}

function isDate(value: unknown): boolean {
  const isDateLike = typeof value === 'string' || value instanceof Date;
  return isDateLike && !Number.isNaN(new Date(value).getTime());
}
