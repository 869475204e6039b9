/** The session cookie: safe defaults, and no way to send it where it is not safe. */
import type { IncomingMessage } from 'node:http';
import type { CookieOptions, SessionOptions } from 'express-session';
import { invalidOption, SuiteError } from '../core/errors.js';

export type CookieOption = SessionOptions['cookie'];
type Request = Parameters<Exclude<CookieOption, CookieOptions | undefined>>[0];

const DEFAULTS: CookieOptions = { httpOnly: true, sameSite: 'lax', secure: 'auto' };

/** The option as express-session takes it, with the defaults in it. */
export function withDefaults(option: CookieOption, proxy: boolean | undefined): NonNullable<CookieOption> {
  if (typeof option !== 'function') return { ...DEFAULTS, ...option };
  // express-session resolves `secure: 'auto'` only where the option is an object.
  return function cookieFor(req: Request): CookieOptions {
    const cookie = { ...DEFAULTS, ...option(req) };
    return cookie.secure === 'auto' ? { ...cookie, secure: isSecure(req, proxy) } : cookie;
  };
}

/** Whether the app left it open, or asked, that the cookie goes over TLS only; before `'auto'` is resolved. */
export function mayBeSecure(option: CookieOption, req: IncomingMessage): boolean {
  const cookie = typeof option === 'function' ? option(req as Request) : option;
  return { ...DEFAULTS, ...cookie }.secure !== false;
}

/**
 * RFC 6265bis 4.1.3: browsers refuse a cookie whose name begins with `__Secure-` unless it is Secure, and `__Host-`
 * unless it is Secure, has the path `/` and no domain.
 *
 * @throws SuiteError ERS_INVALID_OPTION
 */
export function requireSoundName(name: unknown, option: CookieOption): void {
  if (name !== undefined && typeof name !== 'string') throw invalidOption('name', name, 'Give a string.');
  if (name === undefined || typeof option === 'function') return;
  const { secure, path = '/', domain } = { ...DEFAULTS, ...option };
  const isHost = /^__Host-/i.test(name);
  if (!isHost && !/^__Secure-/i.test(name)) return;
  if (secure !== true)
    throw invalidOption('name', name, 'Browsers take it only with cookie: { secure: true }.');
  if (isHost && (path !== '/' || domain !== undefined)) {
    throw invalidOption('name', name, "Browsers take it only with the path '/' and without a domain.");
  }
}

/** Whether the client spoke TLS, to us or to a proxy that we were told to trust; as express-session decides it. */
export function isSecure(req: IncomingMessage, proxy: boolean | undefined): boolean {
  if ((req.socket as { encrypted?: boolean } | null)?.encrypted) return true;
  if (proxy === false) return false;
  if (proxy === undefined) return (req as { secure?: boolean }).secure === true;
  const forwarded = String(req.headers['x-forwarded-proto'] ?? '');
  return forwarded.split(',', 1)[0]?.trim().toLowerCase() === 'https';
}

export function insecureCookie(): SuiteError {
  return new SuiteError(
    'ERS_INSECURE_COOKIE',
    "sessions: in production a session cookie must not travel over plain HTTP, and this request came over plain HTTP. Behind a proxy that ends TLS, say so: app.set('trust proxy', 1), or proxy: true. Without TLS at all: cookie: { secure: false }.",
  );
}
