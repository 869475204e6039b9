// The app that every composition is measured in: a page for all, an account page, and a basket, for people logged in.

import express from 'express';
import { probeEnd, serveBench } from '../../contender-process.mjs';

export const WINDOW_MS = 3_600_000;
export const LIMIT = 1_000_000;
export const PAGE_LIVES_FOR_MS = 3_600_000;

/** For express-session: what all contenders agree on. The cookie may travel over the loopback in the clear. */
export const session = {
  secret: 'only for this bench, and long enough',
  resave: false,
  saveUninitialized: false,
  cookie: { secure: false, maxAge: 3_600_000 },
};

const report = {
  title: 'Revenue',
  months: Array.from({ length: 24 }, (_, i) => ({ month: i, orders: 100 * i, cents: 12_345 * i })),
};

/**
 * @typedef {object} Parts
 * @property {import('express').RequestHandler} limiter
 * @property {import('express').RequestHandler} sessions
 * @property {import('express').RequestHandler} pageCache
 */

/** @param {Partial<Parts>} parts */
export function serveShop({ limiter, sessions, pageCache }) {
  const app = express();
  app.set('trust proxy', 'loopback');
  app.use(probeEnd);
  if (limiter) app.use(limiter);
  if (sessions) app.use(sessions);

  app.get('/login', (req, res) => {
    if (req.session) Object.assign(req.session, { user: { id: 17, name: 'Ada Lovelace' }, basket: 0 });
    res.send('ok');
  });
  app.get('/report', pageCache ?? pass, (_req, res) => {
    res.set('Cache-Control', `public, max-age=${PAGE_LIVES_FOR_MS / 1000}`);
    res.json(report);
  });
  app.get('/account', (req, res) => {
    // A contender that has lost the session does other work.
    const { user } = sessions ? /** @type {any} */ (req.session) : { user: { id: 17, name: 'Ada Lovelace' } };
    if (user === undefined) return void res.status(401).send('no session');
    res.json(user);
  });
  app.get('/basket', (req, res) => {
    if (sessions) /** @type {any} */ (req.session).basket += 1;
    res.send('ok');
  });
  serveBench(app);
}

/** @type {import('express').RequestHandler} */
function pass(_req, _res, next) {
  next();
}
