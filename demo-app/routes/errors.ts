/** Every error of the demo leaves as `{ "error": { "field"?, "message" } }`, and nothing of the inside leaves with it. */
import type { ErrorRequestHandler, RequestHandler } from 'express';
import { isPostgresAway } from '../database/pool.js';

/** An answer other than 2xx, thrown by a route. */
export class HttpError extends Error {
  readonly status: number;
  /** The part of the request that will not do, as in `items[0].quantity`. */
  readonly field: string | undefined;

  constructor(status: number, message: string, field?: string) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
    this.field = field;
  }
}

/** The value, or 404 when there is none. */
export function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new HttpError(404, `there is no such ${what}`);
  return value;
}

export const answerUnknownRoute: RequestHandler = function answerUnknownRoute() {
  throw new HttpError(404, 'there is nothing at this address');
};

export function answerErrors(log: (line: string) => void): ErrorRequestHandler {
  return function answerError(error: unknown, req, res, next) {
    // Half a response cannot become another one: Express cuts the connection.
    if (res.headersSent) return next(error);
    const { status, message, field, retryAfterSeconds } = answerTo(error);
    if (status === 500) log(`${req.method} ${req.path}: ${(error as Error)?.stack ?? error}`);
    if (retryAfterSeconds !== undefined) res.set('Retry-After', String(retryAfterSeconds));
    res.status(status).set('Cache-Control', 'no-store').json({ error: { field, message } });
  };
}

interface Answer {
  readonly status: number;
  readonly message: string;
  readonly field?: string | undefined;
  readonly retryAfterSeconds?: number;
}

function answerTo(error: unknown): Answer {
  if (error instanceof HttpError) return error;
  if (isPostgresAway(error)) {
    return { status: 503, message: 'the database is away: try again in a moment', retryAfterSeconds: 1 };
  }
  if (isSessionStoreAway(error)) {
    return { status: 503, message: 'the session store is away: try again in a moment', retryAfterSeconds: 1 };
  }
  if ((error as { code?: unknown } | undefined)?.code === 'ERS_SESSION_REVOKED') {
    return { status: 401, message: 'logged out on all devices meanwhile: log in again' };
  }
  return answerToExpress(error) ?? { status: 500, message: 'something went wrong here' };
}

/** `login` and `logout` of express-redis-suite/session reject with these codes. */
function isSessionStoreAway(error: unknown): boolean {
  return String((error as { code?: unknown } | undefined)?.code).startsWith('ERS_REDIS_');
}

const BODY_TROUBLE: Readonly<Record<string, string>> = {
  'entity.parse.failed': 'is not a JSON object or array',
  'entity.too.large': 'is larger than 100 KB',
  'charset.unsupported': 'has a charset other than UTF-8',
  'encoding.unsupported': 'has a Content-Encoding that is not known here',
  'request.aborted': 'ended too early',
  'request.size.invalid': 'does not have the size of its Content-Length',
};

/** What express.json() and the router throw carries its status; its message may quote the client, so it stays inside. */
function answerToExpress(error: unknown): Answer | undefined {
  const { status, type } = Object(error) as { status?: unknown; type?: unknown };
  if (typeof status !== 'number' || status < 400 || status > 499) return undefined;
  if (error instanceof URIError) return { status, field: 'url', message: 'is not well-formed' };
  return { status, field: 'body', message: BODY_TROUBLE[String(type)] ?? 'cannot be read' };
}
