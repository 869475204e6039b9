// express-redis-suite's responseCache() on Redis, in front of an Express app: hits never reach Express.

import { connectRedis } from 'express-redis-suite/redis';
import { responseCache } from 'express-redis-suite/response-cache';
import { serveBench } from '../../contender-process.mjs';
import { answerPage, newApp } from './app.mjs';

const client = await connectRedis({ url: process.env.BENCH_REDIS_URL });
const cache = responseCache({ client, namespace: `front-${process.pid}` });
const app = newApp();
app.use(answerPage);
serveBench((req, res) => cache(req, res, () => app(req, res)));
