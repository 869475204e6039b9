// express-redis-suite's responseCache() on Redis, in an Express app.

import { connectRedis } from 'express-redis-suite/redis';
import { responseCache } from 'express-redis-suite/response-cache';
import { serveBench } from '../../contender-process.mjs';
import { answerPage, newApp } from './app.mjs';

const client = await connectRedis({ url: process.env.BENCH_REDIS_URL });
const app = newApp();
app.use(responseCache({ client, namespace: `express-${process.pid}` }));
app.use(answerPage);
serveBench(app);
