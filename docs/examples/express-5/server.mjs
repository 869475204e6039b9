// All three middlewares in an Express 5 app: node docs/examples/express-5/server.mjs
//
//   curl -i http://127.0.0.1:3000/time          the same time for ten seconds, see Cache-Status
//   curl -i -c jar -X POST http://127.0.0.1:3000/login/ada
//   curl -i -b jar http://127.0.0.1:3000/me

import express from 'express';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { connectRedis } from 'express-redis-suite/redis';
import { responseCache } from 'express-redis-suite/response-cache';
import { login, logout, sessions } from 'express-redis-suite/session';

const { PORT = '3000', REDIS_URL, SESSION_SECRET = 'only for trying it out' } = process.env;
const client = await connectRedis({ url: REDIS_URL });

const app = express();
app.use(
  rateLimit({ client, windowMs: 60_000, limit: 100, standardHeaders: 'draft-8', legacyHeaders: false }),
);

// Above the sessions: what is the same for everybody needs none.
app.get('/time', responseCache({ client, ttl: 10_000, public: true }), (_req, res) => {
  res.json({ time: new Date() });
});

app.use(sessions({ client, secret: SESSION_SECRET, cookie: { maxAge: 30 * 60_000 } }));
app.post('/login/:name', async (req, res) => {
  await login(req, { name: req.params.name });
  res.sendStatus(204);
});
app.get('/me', (req, res) => {
  if (!req.session.name) return res.sendStatus(401);
  res.json({ name: req.session.name });
});
app.post('/logout', async (req, res) => {
  await logout(req);
  res.sendStatus(204);
});

const server = app.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening on ${server.address().port}`);
});
