// express-redis-suite's limiter in front of Express, as its documentation composes it.

import express from 'express';
import { ipKeyGenerator, rateLimit } from 'express-redis-suite/rate-limit';
import { connectRedis } from 'express-redis-suite/redis';
import proxyAddr from 'proxy-addr';
import { answerOk, serveBench } from '../../contender-process.mjs';

const { BENCH_REDIS_URL, WINDOW_MS, LIMIT } = process.env;
const client = await connectRedis({ url: BENCH_REDIS_URL });
const trust = proxyAddr.compile('loopback');
const limiter = rateLimit({
  client,
  name: 'in-front',
  windowMs: Number(WINDOW_MS),
  limit: Number(LIMIT),
  keyGenerator: (req) => ipKeyGenerator(proxyAddr(req, trust)),
});
const app = express();
app.set('trust proxy', 'loopback');
app.get('/', answerOk);
serveBench((req, res) => {
  const [expressReq, expressRes] = /** @type {[express.Request, express.Response]} */ ([req, res]);
  limiter(expressReq, expressRes, (error) => (error ? res.destroy(error) : app(req, res)));
});
