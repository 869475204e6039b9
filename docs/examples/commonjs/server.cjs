// The same from CommonJS, where there is no await at the top: node docs/examples/commonjs/server.cjs

const express = require('express');
const rateLimit = require('express-redis-suite/rate-limit');
const { connectRedis } = require('express-redis-suite/redis');
const { login, sessions } = require('express-redis-suite/session');

const { PORT = '3000', REDIS_URL, SESSION_SECRET = 'only for trying it out' } = process.env;

async function main() {
  const client = await connectRedis({ url: REDIS_URL });
  const app = express();
  app.use(rateLimit({ client, windowMs: 60_000, limit: 100 }));
  app.use(sessions({ client, secret: SESSION_SECRET }));
  app.post('/login/:name', async (req, res) => {
    await login(req, { name: req.params.name });
    res.sendStatus(204);
  });
  app.get('/me', (req, res) => {
    res.json({ name: req.session.name ?? null });
  });
  const server = app.listen(Number(PORT), '127.0.0.1', () => {
    console.log(`listening on ${server.address().port}`);
  });
}

main();
