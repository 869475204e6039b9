// The app that every session middleware is measured in: log in, read, write.

import express from 'express';
import { answerOk, probeEnd, serveBench } from '../../contender-process.mjs';

/** For express-session: what all contenders agree on. The cookie may travel over the loopback in the clear. */
export const common = {
  secret: 'only for this bench, and long enough',
  resave: false,
  saveUninitialized: false,
  cookie: { secure: false, maxAge: 3_600_000 },
};

/** @param {import('express').RequestHandler} middleware */
export function serveSessions(middleware) {
  const app = express();
  app.use(probeEnd);
  app.use(middleware);
  app.get('/login', (req, res) => {
    Object.assign(req.session, {
      user: { id: 17, name: 'Ada Lovelace', roles: ['author', 'editor'] },
      visits: 0,
    });
    res.send('ok');
  });
  app.get('/read', (req, res) => answerIfKnown(req, res));
  app.get('/write', (req, res) => {
    const session = /** @type {any} */ (req.session);
    session.visits += 1;
    answerIfKnown(req, res);
  });
  serveBench(app);
}

// A contender that has lost the session does other work.
/**
 * @param {import('express').Request} req
 * @param {import('express').Response} res
 */
function answerIfKnown(req, res) {
  if (/** @type {any} */ (req.session).user === undefined) return void res.status(401).send('no session');
  answerOk(req, res);
}
