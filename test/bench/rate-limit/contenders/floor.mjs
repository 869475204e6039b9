// What a limiter of this kind costs at least: Express, one EVALSHA of our own script, the same header fields, nothing else.

import express from 'express';
import { createClient } from 'redis';
import { answerOk, serveBench } from '../../contender-process.mjs';

// The command is what the real limiter was seen to send, with the address in its place; so is its script.
const { BENCH_REDIS_URL, LIMIT, SCRIPT_SHA, SCRIPT_KEYS, SCRIPT_ARGUMENTS } = process.env;
/** @type {string[]} */
const scriptKeys = JSON.parse(SCRIPT_KEYS ?? '[]');
/** @type {string[]} */
const scriptArguments = JSON.parse(SCRIPT_ARGUMENTS ?? '[]');
const client = await createClient({ url: BENCH_REDIS_URL }).connect();
const app = express();
app.set('trust proxy', 'loopback');
app.use(function limit(req, res, next) {
  // Under a prefix, for the real limiter counts beside us.
  const keys = scriptKeys.map((key) => `floor:${key.replace('<address>', String(req.ip))}`);
  client.evalSha(String(SCRIPT_SHA), { keys, arguments: scriptArguments }).then((reply) => {
    const [allowed, retryMicros, , used, resetMicros] = /** @type {number[]} */ (reply).map(Number);
    const now = new Date();
    res.setHeader('X-RateLimit-Limit', String(LIMIT));
    res.setHeader('X-RateLimit-Remaining', String(Math.max(0, Number(LIMIT) - used)));
    res.setHeader('Date', now.toUTCString());
    res.setHeader('X-RateLimit-Reset', String(Math.ceil((now.getTime() + resetMicros / 1000) / 1000)));
    if (allowed === 1) return next();
    res.setHeader('Retry-After', String(Math.ceil(retryMicros / 1e6)));
    res.status(429).send('Too many requests, please try again later.');
  }, next);
});
app.get('/', answerOk);
serveBench(app);
