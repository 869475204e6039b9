/** The answer to a request whose session cannot be read or saved. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { RETRY_AFTER_S } from '../core/errors.js';

const BODY = 'Service Unavailable\n';

export function answerUnavailable(res: ServerResponse): void {
  // A client that went away, or a handler that answered although its session was not there yet.
  if (res.headersSent || res.destroyed) return void res.destroy();
  res.statusCode = 503;
  res.statusMessage = 'Service Unavailable';
  res.setHeader('Retry-After', RETRY_AFTER_S);
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.setHeader('Content-Length', Buffer.byteLength(BODY));
  res.end(BODY);
}

/** Takes back what the handler said of a response that is not sent; what was set before it, CORS for one, stays. */
export function restoreHeaders(res: ServerResponse, before: OutgoingHttpHeaders): void {
  for (const name of res.getHeaderNames()) res.removeHeader(name);
  for (const [name, value] of Object.entries(before)) if (value !== undefined) res.setHeader(name, value);
}
