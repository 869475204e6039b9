/** What of a request chooses between the variants of a page besides its headers: cookies, and the user. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { invalidOption } from '../core/errors.js';
import { keepPrivate } from '../core/private-response.js';
import { beforeHeadLeaves } from './departure.js';
import type { Target } from './key.js';
import type { Unnamed, UnnamedIn } from './unnamed.js';
import { STEERING, type VaryNames } from './vary.js';

export interface Selection {
  /** Request headers that choose on this route. */
  readonly headers: VaryNames;
  readonly cookies: readonly string[];
  readonly user: ((req: IncomingMessage) => string | undefined) | undefined;
  /** In the safe profile only. */
  readonly unnamedIn: UnnamedIn | undefined;
}

/** All are put beside a request's headers, in place of any that a client sends under such a name. */
const USER = 'user|';
const COOKIE = 'cookie|';
const CREDENTIAL = 'credential|';
const OURS: readonly string[] = [USER, CREDENTIAL, STEERING];

/** The names that choose between variants on this route. */
export function selectingNames({ headers, cookies, user }: Selection): VaryNames {
  return [...headers, ...cookies.map(nameFor), ...(user === undefined ? [] : [USER])];
}

/** A request's headers, and beside them what else chooses between variants on this route. */
export function selectingHeaders(
  req: IncomingMessage,
  target: Target,
  { cookies, user, unnamedIn }: Selection,
): IncomingHttpHeaders {
  const { steering, hasCredential } = unnamedIn?.(req.headers, target) ?? NO_UNNAMED;
  const isPlain = steering === undefined && !hasCredential && !isByCookieOrUser({ cookies, user });
  if (isPlain && !OURS.some((name) => name in req.headers)) return req.headers;
  const headers: IncomingHttpHeaders = { ...req.headers, [STEERING]: steering };
  headers[CREDENTIAL] = hasCredential ? 'yes' : undefined;
  for (const name of cookies) headers[nameFor(name)] = valuesOf(req.headers.cookie ?? '', name);
  headers[USER] = user === undefined ? undefined : idOf(user(req));
  return headers;
}

const NO_UNNAMED: Unnamed = { steering: undefined, hasCredential: false };

/** What chooses is somebody's own, and not to be sent in a request of ours. */
export function isByCookieOrUser({ cookies, user }: Pick<Selection, 'cookies' | 'user'>): boolean {
  return cookies.length > 0 || user !== undefined;
}

/**
 * The credentials for which an answer may be this one client's. Where each user has pages of their own, they need not keep
 * one from being stored: it is shared with nobody else.
 */
export function credentialsOf(
  headers: IncomingHttpHeaders,
): 'authorization' | 'cookie' | 'credential' | undefined {
  if (headers[USER] !== undefined) return undefined;
  if ('authorization' in headers) return 'authorization';
  if ('cookie' in headers) return 'cookie';
  return headers[CREDENTIAL] === undefined ? undefined : 'credential';
}

/** Caches downstream know nothing of our options. */
export function tellDownstream(res: ServerResponse, asSeen: IncomingHttpHeaders, selection: Selection): void {
  const { headers, cookies } = selection;
  const isOneUsers = asSeen[USER] !== undefined;
  const names = cookies.length > 0 ? [...headers, 'cookie'] : headers;
  if (names.length === 0 && !isOneUsers) return;
  beforeHeadLeaves(res, function addToHead() {
    if (isOneUsers) keepPrivate(res);
    const told = [res.getHeader('vary') ?? []].flat().join(', ');
    const known = told.toLowerCase().split(/\s*,\s*/);
    const news = names.filter((name) => !known.includes(name));
    if (news.length > 0) res.setHeader('Vary', told === '' ? news.join(', ') : `${told}, ${news.join(', ')}`);
  });
}

/** Names of headers are lower case, names of cookies are not. */
function nameFor(cookie: string): string {
  return COOKIE + cookie.replace(/[A-Z^]/g, (char) => `^${char.toLowerCase()}`);
}

/** All cookies of that name, as they were sent: parsers differ in which one counts. */
function valuesOf(header: string, name: string): string | undefined {
  const pairs = header.split(';').map((pair) => pair.trim());
  const own = pairs.filter((pair) => pair.slice(0, Math.max(0, pair.indexOf('='))).trim() === name);
  return own.length === 0 ? undefined : own.join('; ');
}

function idOf(id: unknown): string | undefined {
  if (id === undefined || id === null || id === '') return undefined;
  if (typeof id !== 'string')
    throw invalidOption('vary.user', id, 'Return a string, or undefined for nobody.');
  return id;
}
