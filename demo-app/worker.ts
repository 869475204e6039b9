/** The process beside the server, or the servers: hears of orders over Redis, notifies, and keeps the report new. */
import { BadEnvironment, configFrom } from './config.js';
import { openConnections } from './database/connections.js';
import { startJobs } from './events/jobs.js';
import { openReportCache } from './routes/report-page.js';

const ENDS_WITHIN_MS = 8000;

start().catch(function giveUp(error: Error & { code?: string }) {
  console.error(`the worker cannot start: ${error.message || error.code}`);
  process.exit(1);
});

async function start(): Promise<void> {
  const config = configFrom(process.env);
  if (config.redisUrl === undefined) {
    throw new BadEnvironment(['REDIS_URL: is required, without it the server does the work of the worker']);
  }
  const log = (line: string) => console.log(`worker: ${line}`);
  let end = async () => {};
  endOnSignal(() => end());

  const connections = await openConnections(config, log);
  const { sql, redis, events } = connections;
  const jobs = startJobs({ sql, events, reportCache: openReportCache(redis), log, ...config });
  end = async function endInOrder() {
    events.close();
    await jobs.stop();
    await connections.close();
  };
  log(`listening to what happens in the shop (process ${process.pid})`);
}

/** What was begun is finished; the second signal does not wait for it. */
function endOnSignal(end: () => Promise<void>): void {
  let isEnding = false;

  async function endOnce() {
    if (isEnding) process.exit(1);
    isEnding = true;
    setTimeout(() => process.exit(1), ENDS_WITHIN_MS);
    await end();
    process.exit(0);
  }
  process.on('SIGTERM', endOnce);
  process.on('SIGINT', endOnce);
}
