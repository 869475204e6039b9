/** What browsers are told about every answer, and which of their requests are somebody else's idea. */
import type { RequestHandler } from 'express';
import { HttpError } from './errors.js';

/** Everything from this server and nothing inline. The plots set styles through the CSSOM, which this allows. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export const secureHeaders: RequestHandler = function secureHeaders(_req, res, next) {
  res.set({
    'Content-Security-Policy': CONTENT_SECURITY_POLICY,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
  });
  next();
};

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS'];

/**
 * Against cross-site request forgery: what changes something must come from a page of this server. Every browser says
 * where from, in Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) or, the older ones, in Origin; curl says neither,
 * and nobody makes curl do something. The session cookie is SameSite=Lax besides, but another port is the same site.
 */
export const refuseOtherSites: RequestHandler = function refuseOtherSites(req, _res, next) {
  if (
    SAFE_METHODS.includes(req.method) ||
    isOwn(req.get('sec-fetch-site'), req.get('origin'), req.get('host'))
  )
    return next();
  throw new HttpError(403, 'comes from a page of another site', 'origin');
};

function isOwn(site: string | undefined, origin: string | undefined, host: string | undefined): boolean {
  // `none`: typed or bookmarked by the user.
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}
