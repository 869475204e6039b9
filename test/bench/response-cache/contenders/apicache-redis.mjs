// apicache on Redis. It speaks to clients as node-redis 3 had them: with callbacks, and a reply of null for no key.

import apicache from 'apicache';
import { createClient } from 'redis';
import { serveBench } from '../../contender-process.mjs';
import { answerPage, newApp } from './app.mjs';

const client = await createClient({ url: process.env.BENCH_REDIS_URL }).connect();
const keyOf = (key) => `apicache-${process.pid}:${key}`;
const redisClient = {
  connected: true,
  hset: (key, field, value) => client.hSet(keyOf(key), field, String(value)),
  expire: (key, seconds) => client.expire(keyOf(key), Math.floor(seconds)),
  del: (key) => client.del(keyOf(key)),
  hgetall: (key, callback) =>
    client.hGetAll(keyOf(key)).then((found) => callback(null, found.response ? found : null), callback),
};

const app = newApp();
app.use(apicache.options({ redisClient }).middleware('1 hour'));
app.use(answerPage);
serveBench(app);
