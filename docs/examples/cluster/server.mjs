// Two processes on one port share one limit and one cache: node docs/examples/cluster/server.mjs

import cluster from 'node:cluster';
import express from 'express';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { connectRedis } from 'express-redis-suite/redis';
import { responseCache } from 'express-redis-suite/response-cache';

const { PORT = '3000', REDIS_URL } = process.env;
const PROCESSES = 2;

if (cluster.isPrimary) startWorkers();
else await serve();

function startWorkers() {
  for (let started = 0; started < PROCESSES; started += 1) cluster.fork();
  cluster.on('exit', () => setTimeout(() => cluster.fork(), 1_000));
  let ready = 0;
  cluster.on('listening', (_worker, { port }) => {
    ready += 1;
    if (ready === PROCESSES) console.log(`listening on ${port}`);
  });
}

/** Each process has a connection of its own, and tells what the fleet would look like without Redis. */
async function serve() {
  const client = await connectRedis({ url: REDIS_URL });
  const app = express();
  app.use(rateLimit({ client, windowMs: 60_000, limit: 20, expectedProcesses: PROCESSES }));
  app.get('/time', responseCache({ client, ttl: 10_000, public: true }), (_req, res) => {
    res.json({ time: new Date(), madeBy: process.pid });
  });
  app.get('/pid', (_req, res) => {
    res.json({ answeredBy: process.pid });
  });
  app.listen(Number(PORT), '127.0.0.1');
}
