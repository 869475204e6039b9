/** Passport logs in and out over sessions(), unchanged, on a single Redis and on a cluster. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import express, { type Request, type Response } from 'express';
import { sessions } from 'express-redis-suite/session';
import { Passport } from 'passport';
import { Strategy } from 'passport-local';
import { serve } from '../support/http.js';
import { uniqueNamespace } from '../support/redis.js';
import { type RedisCluster, startCluster } from '../support/redis-topologies.js';
import { cookieOf, idIn, PATIENT, placesFor, SECRET } from './support.js';

interface User {
  readonly name: string;
}

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startCluster();
}, 60_000);

afterAll(() => cluster.stop(), 60_000);

describe.each(placesFor(() => cluster))('on %s', (_, place) => {
  async function start() {
    const passport = new Passport();
    passport.use(new Strategy((name, password, done) => done(null, password === 'right' ? { name } : false)));
    passport.serializeUser((user, done) => done(null, (user as User).name));
    passport.deserializeUser((name: string, done) => done(null, { name }));

    const prefix = `${uniqueNamespace()}:`;
    const session = sessions({
      client: await place(),
      prefix,
      secret: SECRET,
      userId: ({ passport: login }: { passport?: { user?: string } }) => login?.user,
      ...PATIENT,
    } as never) as ReturnType<typeof sessions> & { store: { list(user: string): Promise<unknown[]> } };
    const app = express().use(express.json(), session, passport.initialize(), passport.session());
    app.get('/visit', (req: Request, res: Response) => {
      Object.assign(req.session, { cart: 'apple' });
      res.end();
    });
    app.post('/login', passport.authenticate('local'), (_req, res) => void res.end());
    app.get('/me', (req, res) => void (req.user ? res.send((req.user as User).name) : res.status(401).end()));
    app.post('/logout', (req, res, next) => req.logout((error) => (error ? next(error) : res.end())));
    return { app: await serve(app), store: session.store };
  }

  it('login, me, logout, me', async () => {
    const { app, store } = await start();
    const browser = app.browser();
    await browser.get('/visit');
    const planted = idIn(browser.cookies.get('connect.sid'));
    expect((await browser.send('/login', { body: { username: 'ada', password: 'wrong' } })).status).toBe(401);
    expect((await browser.send('/login', { body: { username: 'ada', password: 'right' } })).status).toBe(200);
    expect((await browser.get('/me')).text).toBe('ada');
    expect(idIn(browser.cookies.get('connect.sid'))).not.toBe(planted);
    expect((await app.get('/me', { cookie: cookieOf(planted) })).status).toBe(401);
    expect(await store.list('ada')).toHaveLength(1);

    const loggedIn = idIn(browser.cookies.get('connect.sid'));
    expect((await browser.send('/logout', { method: 'POST' })).status).toBe(200);
    expect((await browser.get('/me')).status).toBe(401);
    expect((await app.get('/me', { cookie: cookieOf(loggedIn) })).status).toBe(401);
    expect(await store.list('ada')).toEqual([]);
  });
});
