// express-rate-limit with rate-limit-redis, as the latter's documentation composes them.

import express from 'express';
import { rateLimit } from 'express-rate-limit';
import { RedisStore } from 'rate-limit-redis';
import { createClient } from 'redis';
import { answerOk, serveBench } from '../../contender-process.mjs';

const { BENCH_REDIS_URL, WINDOW_MS, LIMIT } = process.env;
const client = await createClient({ url: BENCH_REDIS_URL }).connect();
const app = express();
app.set('trust proxy', 'loopback');
app.use(
  rateLimit({
    windowMs: Number(WINDOW_MS),
    limit: Number(LIMIT),
    store: new RedisStore({ sendCommand: (...command) => client.sendCommand(command) }),
  }),
);
app.get('/', answerOk);
serveBench(app);
