// rate-limiter-flexible in a middleware of the user's own, for it brings none; with the same header fields as the others.

import express from 'express';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { createClient } from 'redis';
import { answerOk, serveBench } from '../../contender-process.mjs';

const { BENCH_REDIS_URL, WINDOW_MS, LIMIT, IN_MEMORY_BLOCK } = process.env;
const points = Number(LIMIT);
const client = await createClient({ url: BENCH_REDIS_URL }).connect();
const limiter = new RateLimiterRedis({
  storeClient: client,
  useRedisPackage: true,
  points,
  duration: Number(WINDOW_MS) / 1000,
  // Its own way to deny without asking Redis again.
  ...(IN_MEMORY_BLOCK && { inMemoryBlockOnConsumed: points }),
});
const app = express();
app.set('trust proxy', 'loopback');
app.use(function limit(req, res, next) {
  limiter.consume(req.ip).then(
    (state) => {
      describe(res, state);
      next();
    },
    (state) => {
      if (state instanceof Error) return next(state);
      describe(res, state);
      res.setHeader('Retry-After', Math.ceil(state.msBeforeNext / 1000));
      res.status(429).send('Too many requests, please try again later.');
    },
  );
});
app.get('/', answerOk);
serveBench(app);

/**
 * @param {import('express').Response} res
 * @param {import('rate-limiter-flexible').RateLimiterRes} state
 */
function describe(res, { remainingPoints, msBeforeNext }) {
  const now = new Date();
  res.setHeader('X-RateLimit-Limit', points);
  res.setHeader('X-RateLimit-Remaining', remainingPoints);
  res.setHeader('Date', now.toUTCString());
  res.setHeader('X-RateLimit-Reset', Math.ceil((now.getTime() + msBeforeNext) / 1000));
}
