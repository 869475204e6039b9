/** A small app on sessions, the signed cookies of its browsers, and sessions as they stand in Redis. */
import { createHmac } from 'node:crypto';
import { jest } from '@jest/globals';
import type { RedisStore } from 'connect-redis';
import express, {
  type Express,
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import type { Session, SessionData } from 'express-session';
import { createCluster } from 'redis';
import type { RedisClient } from '../../lib/core/client.js';
import { onTestEnd } from '../support/cleanup.js';
import { connect, type TestClient } from '../support/redis.js';
import type { RedisCluster } from '../support/redis-topologies.js';

export const SECRET = 'a secret of the tests, long enough';
/** For tests that are not about deadlines, on a machine that does other things as well. */
export const PATIENT = { deadlineMs: 10_000 } as const;
export const A_MINUTE = 60_000;
export const AN_HOUR = 60 * A_MINUTE;
export const TWO_WEEKS = 14 * 24 * AN_HOUR;

/** What a test puts into a session is its own affair. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type AnySession = Session & Record<string, any>;

interface SessionRequest extends Omit<Request, 'session'> {
  session: AnySession;
}

export type Act = (req: SessionRequest, res: Response, next: NextFunction) => unknown;

/** An app with one handler per path; errors come out as `{ code, message }` with their status. */
export function appWith(middleware: RequestHandler, acts: Readonly<Record<string, Act>>): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(middleware);
  for (const [path, act] of Object.entries(acts)) {
    // What rejects goes to the error handler, as Express 5 has it by itself.
    app.all(path, (req, res, next) => {
      Promise.resolve(act(req as unknown as SessionRequest, res, next)).catch(next);
    });
  }
  // Express knows an error handler by its four parameters.
  app.use((error: { code?: string; message?: string }, _req: Request, res: Response, _next: NextFunction) => {
    if (res.headersSent) return void res.destroy();
    res.status(500).json({ code: error.code, message: error.message });
  });
  return app;
}

/** What most tests need: read, write, log in, log out. */
export const commonActs: Readonly<Record<string, Act>> = {
  '/read': (req, res) => res.json({ ...req.session, cookie: undefined, id: req.sessionID }),
  '/write/:name/:value': (req, res) => {
    req.session[req.params.name as string] = req.params.value;
    res.json({ id: req.sessionID });
  },
  '/delete/:name': (req, res) => {
    delete req.session[req.params.name as string];
    res.end('deleted');
  },
  '/lifetime/:ms': (req, res) => {
    req.session.cookie.maxAge = Number(req.params.ms);
    res.end('changed');
  },
  '/save': (req, res, next) => req.session.save((error: unknown) => (error ? next(error) : res.end('saved'))),
  '/destroy': (req, res, next) =>
    req.session.destroy((error: unknown) => (error ? next(error) : res.end('destroyed'))),
  '/regenerate': (req, res, next) =>
    req.session.regenerate((error: unknown) => {
      if (error) return next(error);
      req.session.user = 'ada';
      res.json({ id: req.sessionID });
    }),
};

/** The cookie that express-session would have set for this id. */
export function cookieOf(sid: string, name = 'connect.sid'): string {
  const signature = createHmac('sha256', SECRET).update(sid).digest('base64').replace(/=+$/, '');
  return `${name}=${encodeURIComponent(`s:${sid}.${signature}`)}`;
}

/** The id in a browser's cookie. */
export function idIn(cookie: string | undefined): string {
  return decodeURIComponent(cookie ?? '')
    .replace(/^s:/, '')
    .split('.')[0] as string;
}

export interface StoredCookie {
  readonly originalMaxAge?: number | null;
  readonly expires?: string | null;
}

/** A session as express-session and connect-redis would have stored it. */
export async function plant(
  client: TestClient,
  key: string,
  fields: object,
  { originalMaxAge = AN_HOUR, ...cookie }: StoredCookie = {},
  ttlMs = AN_HOUR,
): Promise<void> {
  const expires = originalMaxAge === null ? null : new Date(Date.now() + originalMaxAge).toISOString();
  const whole = { originalMaxAge, expires, httpOnly: true, path: '/', ...cookie };
  await client.set(key, JSON.stringify({ cookie: whole, ...fields }), { PX: ttlMs });
}

export async function stored(client: TestClient, key: string): Promise<Record<string, unknown> | null> {
  const text = (await client.get(key)) as string | null;
  return text === null ? null : JSON.parse(text);
}

/** What a request does first: a session object of its own. */
export async function load(store: RedisStore, sid = 'id'): Promise<AnySession> {
  const req = { sessionID: sid, sessionStore: store } as never;
  return store.createSession(req, (await store.get(sid)) as SessionData) as unknown as AnySession;
}

export const save = (session: Session) =>
  new Promise<void>((resolve, reject) => session.save((error) => (error ? reject(error) : resolve())));

/** A serializer whose text no script can read. */
export const base64 = {
  parse: (text: string) => JSON.parse(Buffer.from(text, 'base64').toString()),
  stringify: (data: object) => Buffer.from(JSON.stringify(data)).toString('base64'),
};

/** For tests that put into Redis what the store warns of. */
export function muteWarnings(): void {
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
  onTestEnd(() => warn.mockRestore());
}

/** A promise and what resolves it, to stop one request where a test wants it. */
export function barrier(): { readonly passed: Promise<void>; open(): void } {
  let open: () => void = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}

/** What `describe.each` takes for tests that have to hold on a single Redis and on a cluster. */
export function placesFor(cluster: () => RedisCluster): [place: string, open: () => Promise<RedisClient>][] {
  return [
    ['a single Redis', async () => (await connect()) as unknown as RedisClient],
    ['a cluster', () => connectCluster(cluster())],
  ];
}

async function connectCluster({ ports }: RedisCluster): Promise<RedisClient> {
  const rootNodes = ports.map((port) => ({ socket: { host: '127.0.0.1', port } }));
  const client = createCluster({ rootNodes });
  client.on('error', () => {});
  await client.connect();
  onTestEnd(() => client.destroy());
  return client as unknown as RedisClient;
}
