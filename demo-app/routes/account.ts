/** `/api/login`, `/api/me`, `/api/logout`: who is asking, kept in a session. */

import { type Router as ExpressRouter, type RequestHandler, Router } from 'express';
import { login, logout } from 'express-redis-suite/session';
import type { Users } from '../services/users.js';
import { HttpError } from './errors.js';
import { asText, bodyOf } from './input.js';

declare module 'express-session' {
  interface SessionData {
    userId: number;
  }
}

const MAX_EMAIL = 254;
const MAX_PASSWORD = 1000;

export function accountRoutes(users: Users, limitFailures: RequestHandler): ExpressRouter {
  const router = Router();

  router.post('/login', limitFailures, async function logIn(req, res) {
    const body = bodyOf(req);
    const email = asText(body.email, 'email', MAX_EMAIL);
    const password = asText(body.password, 'password', MAX_PASSWORD);
    const user = await users.authenticate(email, password);
    // The same words for a wrong password and an unknown address.
    if (user === undefined) throw new HttpError(401, 'e-mail address and password do not match');
    // A new session id: one that somebody else planted in this browser before is worth nothing now.
    await login(req, { userId: user.id });
    res.json(user);
  });

  router.get('/me', async function showMe(req, res) {
    const { userId } = req.session;
    const user = userId === undefined ? undefined : await users.find(userId);
    if (user === undefined) throw new HttpError(401, 'nobody is logged in');
    res.json(user);
  });

  router.post('/logout', async function logOut(req, res) {
    await logout(req);
    res.json({ loggedOut: true });
  });

  return router;
}
