/** Runs a snippet of docs/session.md, given as a path, with what the page takes for granted, and serves its app. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { connectRedis } from 'express-redis-suite/redis';
import { login, sessions } from 'express-redis-suite/session';
import expressSession from 'express-session';
import passport from 'passport';
import { Strategy } from 'passport-local';

const app = express().use(express.json());
const account = express.Router();
const audited: string[] = [];
const client = await connectRedis({ url: process.env.REDIS_URL as string });
const oldStore = new expressSession.MemoryStore();
oldStore.set('old', { cookie: { originalMaxAge: null }, userId: 'ada' } as never);

account.post('/login', async (req, res) => {
  await login(req, { userId: 'ada' } as never);
  res.end();
});
passport.use(new Strategy((name, password, done) => done(null, password === 'right' ? { id: name } : false)));
passport.serializeUser((user, done) => done(null, (user as { id: string }).id));
passport.deserializeUser((id: string, done) => done(null, { id }));

Object.assign(globalThis, {
  app,
  account,
  client,
  oldStore,
  findUser: async (_email: unknown, password: unknown) => (password === 'right' ? { id: 'ada' } : undefined),
  changePassword: async () => {},
  audit: (line: string) => audited.push(line),
  requireUser: (req: express.Request, res: express.Response, next: express.NextFunction) =>
    (req.session as object as { userId?: string }).userId ? next() : res.status(401).end(),
});
const snippet = await import(process.argv[2] as string);

const served: express.Express = snippet.app ?? app;
// A snippet without sessions is about something beside them.
const others = sessions({ client, secret: process.env.SESSION_SECRET as string });
served.use((req, res, next) => (req.session ? next() : others(req, res, next)));
served.use(account);
served.get('/audited', (_req, res) => void res.json(audited));
served.get('/me', (req, res) => {
  const { userId, passport: login } = req.session as object as {
    userId?: string;
    passport?: { user?: string };
  };
  const user = userId ?? login?.user;
  res.status(user ? 200 : 401).json({ id: user });
});
const server = http.createServer(served);
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});
