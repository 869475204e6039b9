// express-redis-suite's responseCache() on Redis with copies in this process' memory, in an Express app.

import { connectRedis } from 'express-redis-suite/redis';
import { responseCache } from 'express-redis-suite/response-cache';
import { serveBench } from '../../contender-process.mjs';
import { answerPage, newApp } from './app.mjs';

const client = await connectRedis({ url: process.env.BENCH_REDIS_URL });
const app = newApp();
app.use(responseCache({ client, namespace: `tiered-${process.pid}`, memory: { maxBytes: 10_000_000 } }));
app.use(answerPage);
serveBench(app);
