// express-redis-suite's limiter, as its documentation composes it.

import express from 'express';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { connectRedis } from 'express-redis-suite/redis';
import { answerOk, serveBench } from '../../contender-process.mjs';

const { BENCH_REDIS_URL, WINDOW_MS, LIMIT, RESOLUTION } = process.env;
const client = await connectRedis({ url: BENCH_REDIS_URL });
const app = express();
app.set('trust proxy', 'loopback');
app.use(
  rateLimit({
    client,
    windowMs: Number(WINDOW_MS),
    limit: Number(LIMIT),
    ...(RESOLUTION && { resolution: Number(RESOLUTION) }),
  }),
);
app.get('/', answerOk);
serveBench(app);
