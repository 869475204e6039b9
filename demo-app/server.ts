/** One process of the demo: settings, connections, tables, then requests until a signal ends it in good order. */
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { collectMetrics } from 'express-redis-suite/metrics';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { createApp } from './app.js';
import { type Config, configFrom } from './config.js';
import { openMeter } from './dashboard/meter.js';
import { openConnections } from './database/connections.js';
import { followRowChanges } from './database/row-changes.js';
import { startJobs } from './events/jobs.js';
import { openReportCache } from './routes/report-page.js';
import { openShopCache } from './services/shop-cache.js';

const HOST = '127.0.0.1';
// Together within the ten seconds that a container is usually given.
const ACCEPT_FOR_MS = 100;
const IDLE_FOR_MS = 200;
const REQUESTS_END_WITHIN_MS = 6000;

start().catch(function giveUp(error: Error & { code?: string }) {
  console.error(`the demo cannot start: ${error.message || error.code}`);
  process.exit(1);
});

async function start(): Promise<void> {
  const config = configFrom(process.env);
  for (const notice of config.notices) console.log(notice);
  const server = http.createServer();
  const ending: Ending = { endStreams() {}, async endRest() {} };
  endOnSignal(server, ending);

  // Before the tables are filled, which takes a while, and not after it.
  await checkPort(config);
  const connections = await openConnections(config, console.log);
  const { sql, redis, events } = connections;
  const reportCache = openReportCache(redis);
  const cache = openShopCache(redis);
  const { databaseDirectUrl } = config;
  const rowChanges =
    databaseDirectUrl === undefined ? undefined : followRowChanges(databaseDirectUrl, cache, console.log);
  // What is another process' work on Redis, this one does itself without.
  const jobs =
    redis === undefined ? startJobs({ sql, events, reportCache, log: console.log, ...config }) : undefined;
  const meter = openMeter(redis);
  ending.endStreams = events.close;
  ending.endRest = async function endRest() {
    meter.close();
    await Promise.all([jobs?.stop(), rowChanges?.close()]);
    await connections.close();
  };

  const metrics = new Registry();
  collectDefaultMetrics({ register: metrics });
  collectMetrics({ registry: metrics });
  const parts = { config, sql, redis, events, cache, reportCache, meter, metrics, log: console.error };
  server.on('request', createApp(parts));
  await listen(server, config);
  console.log(`listening on http://${HOST}:${(server.address() as AddressInfo).port}`);
}

async function checkPort(config: Config): Promise<void> {
  const server = net.createServer((socket) => socket.destroy());
  await listen(server, config);
  await new Promise((resolve) => server.close(resolve));
}

function listen(server: net.Server, { port }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === 'EADDRINUSE';
      reject(
        isTaken
          ? new Error(`port ${port} is in use: set PORT to another one, or to 0 for a free one`)
          : error,
      );
    });
    server.listen(port, HOST, resolve);
  });
}

interface Ending {
  /** Answers that would go on for ever. */
  endStreams(): void;
  /** After the last answer. */
  endRest(): Promise<void>;
}

/** The first signal lets the requests under way finish; the second does not wait for anything. */
function endOnSignal(server: http.Server, ending: Ending): void {
  const lastAnswers = tellClientsToGo(server);
  let isEnding = false;

  async function end(signal: 'SIGTERM' | 'SIGINT') {
    if (isEnding) process.exit(signal === 'SIGINT' ? 130 : 143);
    isEnding = true;
    // Still starting: Postgres takes back what was begun.
    if (!server.listening) process.exit(0);
    console.log(`${signal}: finishing the requests under way`);
    ending.endStreams();
    await drain(server, lastAnswers);
    await ending.endRest();
    process.exit(0);
  }
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}

/**
 * Whoever connected before the signal is served. A connection may still wait to be accepted, so accepting goes on for a
 * moment; its request may still be unread, and `server.close()` would take it for idle and reset it.
 */
async function drain(server: http.Server, beginLastAnswers: () => void): Promise<void> {
  beginLastAnswers();
  await sleep(ACCEPT_FOR_MS);
  const isClosed = new Promise((resolve) => net.Server.prototype.close.call(server, resolve));
  const sweep = setInterval(() => server.closeIdleConnections(), IDLE_FOR_MS);
  const cutOff = setTimeout(() => server.closeAllConnections(), REQUESTS_END_WITHIN_MS);
  await isClosed;
  clearInterval(sweep);
  clearTimeout(cutOff);
}

/** From the moment the returned function is called, every answer asks its client to leave the kept-alive connection. */
function tellClientsToGo(server: http.Server): () => void {
  const underWay = new Set<http.ServerResponse>();
  let isLast = false;

  function sayGoodbye(res: http.ServerResponse) {
    if (!res.headersSent) res.setHeader('Connection', 'close');
  }
  server.on('request', function follow(_req, res) {
    underWay.add(res);
    res.once('close', () => underWay.delete(res));
    if (isLast) sayGoodbye(res);
  });
  return function beginLastAnswers() {
    isLast = true;
    for (const res of underWay) sayGoodbye(res);
  };
}
