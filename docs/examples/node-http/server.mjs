// No Express at all: the middlewares are functions of (req, res, next): node docs/examples/node-http/server.mjs

import http from 'node:http';
import { ipKeyGenerator, rateLimit } from 'express-redis-suite/rate-limit';
import { connectRedis } from 'express-redis-suite/redis';
import { responseCache } from 'express-redis-suite/response-cache';
import { sessions } from 'express-redis-suite/session';

const { PORT = '3000', REDIS_URL, SESSION_SECRET = 'only for trying it out' } = process.env;
const client = await connectRedis({ url: REDIS_URL });

const limit = rateLimit({
  client,
  windowMs: 60_000,
  limit: 100,
  keyGenerator: (req) => ipKeyGenerator(req.socket.remoteAddress ?? ''),
});
const cache = responseCache({ client, ttl: 10_000, public: true });
const session = sessions({ client, secret: SESSION_SECRET });

const server = http.createServer(async (req, res) => {
  try {
    await passes(limit, req, res);
    if (req.url === '/time') return await timeOfDay(req, res);
    await passes(session, req, res);
    req.session.visits = (req.session.visits ?? 0) + 1;
    res.end(`visit ${req.session.visits}\n`);
  } catch (error) {
    console.error(error);
    if (!res.headersSent) res.statusCode = 500;
    res.end();
  }
});

async function timeOfDay(req, res) {
  await passes(cache, req, res);
  res.end(`${new Date().toISOString()}\n`);
}

/** Resolves when the middleware calls next(); never when it answers by itself. */
function passes(middleware, req, res) {
  return new Promise((resolve, reject) => {
    middleware(req, res, (error) => (error ? reject(error) : resolve()));
  });
}

server.listen(Number(PORT), '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
