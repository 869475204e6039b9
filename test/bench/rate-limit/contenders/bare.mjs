// No limiter: Express with the same header fields and the same answers, decided by the address. Nothing can cost less.

import express from 'express';
import { answerOk, serveBench } from '../../contender-process.mjs';

const { LIMIT, WINDOW_MS, DENIED_NETWORK } = process.env;
const windowMs = Number(WINDOW_MS);
const app = express();
app.set('trust proxy', 'loopback');
app.use(function describe(req, res, next) {
  const isDenied = req.ip?.startsWith(String(DENIED_NETWORK));
  const now = new Date();
  res.setHeader('X-RateLimit-Limit', String(LIMIT));
  res.setHeader('X-RateLimit-Remaining', isDenied ? '0' : '99');
  res.setHeader('Date', now.toUTCString());
  res.setHeader('X-RateLimit-Reset', String(Math.ceil((now.getTime() + windowMs) / 1000)));
  if (!isDenied) return next();
  res.setHeader('Retry-After', String(Math.ceil(windowMs / 1000)));
  res.status(429).send('Too many requests, please try again later.');
});
app.get('/', answerOk);
serveBench(app);
