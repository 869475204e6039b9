// Passport over sessions(), and guesses at a password limited by account: node docs/examples/passport/server.mjs
//
//   curl -i -c jar -d 'username=ada&password=lovelace' http://127.0.0.1:3000/login
//   curl -i -b jar http://127.0.0.1:3000/me

import express from 'express';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { connectRedis } from 'express-redis-suite/redis';
import { sessions } from 'express-redis-suite/session';
import passport from 'passport';
import { Strategy } from 'passport-local';

const { PORT = '3000', REDIS_URL, SESSION_SECRET = 'only for trying it out' } = process.env;
const client = await connectRedis({ url: REDIS_URL });

passport.use(
  new Strategy((username, password, done) => {
    // Yours compares a salted hash, of course.
    done(null, username === 'ada' && password === 'lovelace' ? { id: 'ada' } : false);
  }),
);
passport.serializeUser((user, done) => done(null, user.id));
passport.deserializeUser((id, done) => done(null, { id }));

const guesses = rateLimit({
  client,
  name: 'login-account',
  windowMs: 15 * 60_000,
  limit: 5,
  skipSuccessfulRequests: true,
  keyGenerator: (req) =>
    String(req.body?.username ?? '')
      .trim()
      .toLowerCase(),
});

const app = express();
app.use(sessions({ client, secret: SESSION_SECRET, userId: (session) => session.passport?.user }));
app.use(passport.session());
app.post('/login', express.urlencoded(), guesses, passport.authenticate('local'), (req, res) => {
  res.json(req.user);
});
app.get('/me', (req, res) => {
  if (!req.user) return res.sendStatus(401);
  res.json(req.user);
});
app.post('/logout', (req, res, next) => {
  req.logout((error) => (error ? next(error) : res.sendStatus(204)));
});

const server = app.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening on ${server.address().port}`);
});
