/** Runs a snippet of docs/rate-limit.md, given as a path, with what the page takes for granted, and serves its app. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { connectRedis } from 'express-redis-suite/redis';

const app = express();
const server = http.createServer();
const sent: string[] = [];

app.use(function signIn(req, res, next) {
  const id = req.get('x-user');
  if (id !== undefined) res.locals.user = { id };
  next();
});

Object.assign(globalThis, {
  app,
  server,
  client: await connectRedis({ url: process.env.REDIS_URL as string }),
  search: () => ['found'],
  checkPassword: async (_email: unknown, password: unknown) => password === 'right',
  planOf: async (key: string | undefined) => ({ requestsPerMinute: key === 'gold' ? 3 : 1 }),
  send: async (mail: string) => {
    if (mail === 'bad') throw new Error('no such address');
    sent.push(mail);
  },
});
const snippet = await import(process.argv[2] as string);

app.get('/send', async (req, res) => {
  await snippet.sendWhenAllowed(String(req.query.mail)).catch(() => {});
  res.json(sent);
});
app.use((_req, res) => void res.send('passed'));
const { front } = snippet as { front?: http.Server };
server.on(
  'request',
  front === undefined ? (snippet.app ?? app) : (req, res) => front.emit('request', req, res),
);
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});
