// `npm run demo`: installs what is missing, starts what is not given, and runs the shop until it is told to stop.

import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './install.mjs';
import { reason, say } from './log.mjs';
import { findPgBouncer, howToGetPgBouncer, startPgBouncer } from './pgbouncer.mjs';
import { startPostgres } from './postgres.mjs';
import { howToGetRedis, startRedis } from './redis.mjs';
import { end } from './server-process.mjs';
import { startChild } from './signals.mjs';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const DRAINED_WITHIN_MS = 10_000;
// Long enough to place an order that nobody is notified of, which is what pub/sub means.
const NEXT_WORKER_AFTER_MS = 5_000;

try {
  process.exitCode = await demo();
} catch (error) {
  say(reason(error));
  process.exitCode = 1;
}

/** @returns {Promise<number>} the exit code */
async function demo() {
  await ensureInstalled();
  // No waiting for a Redis that was given: the shop has to cope with one that is away.
  const [redis, postgres] = await Promise.all([
    process.env.REDIS_URL ? givenServer('Redis', 'REDIS_URL') : ownRedis(),
    process.env.DATABASE_URL ? givenServer('Postgres', 'DATABASE_URL') : ownPostgres(),
  ]);
  const code = await runShop({ ...process.env, ...redis.env, ...postgres.env });
  await Promise.all([redis.stop(), postgres.stop()]);
  say('stopped');
  return code;
}

/**
 * @param {string} name
 * @param {string} variable
 */
async function givenServer(name, variable) {
  say(`${name}: as given in ${variable}`);
  return { env: {}, async stop() {} };
}

async function ownRedis() {
  const redis = await startRedis().catch((error) => say(reason(error)));
  if (!redis) {
    explainInProcess();
    return { env: {}, async stop() {} };
  }
  say(`Redis: ${redis.url} (${redis.description})`);
  // Whoever owns a Redis may freeze it, for the dashboard to show what happens then.
  const pid = redis.pid === undefined ? {} : { DEMO_REDIS_PID: String(redis.pid) };
  return { env: { REDIS_URL: redis.url, ...pid }, stop: redis.stop };
}

function explainInProcess() {
  say('NO REDIS on this machine: the demo runs in-process');
  process.stderr.write(`
    Rate limits, sessions and caches all work, but they live in the memory of this one process:
    a second process would not see them, and a restart forgets them. To see the demo on Redis, type

        ${howToGetRedis()}

    or start Docker, or set REDIS_URL; then npm run demo again.

`);
}

async function ownPostgres() {
  const postgres = await startPostgres();
  say(`Postgres: 127.0.0.1:${postgres.port} (process ${postgres.pid})`);
  if (process.env.PGBOUNCER !== '1') return { env: { DATABASE_URL: postgres.url }, stop: postgres.stop };

  const program = await findPgBouncer();
  if (!program) throw new Error(`there is no PgBouncer here; type: ${howToGetPgBouncer()}`);
  const bouncer = await startPgBouncer(program, postgres.url);
  say(`PgBouncer, in transaction mode: 127.0.0.1:${new URL(bouncer.url).port} (process ${bouncer.pid})`);
  async function stop() {
    await bouncer.stop();
    await postgres.stop();
  }
  return { env: { DATABASE_URL: bouncer.url, DATABASE_DIRECT_URL: postgres.url }, stop };
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>}
 */
async function runShop(env) {
  const shop = startProgram('demo-app/server.ts', env);
  /** @type {{ stop: () => Promise<void> } | undefined} */
  let worker;
  shop.child.stdout?.on('data', (chunk) => {
    process.stdout.write(chunk);
    if (worker || !String(chunk).includes('listening on http')) return;
    worker = keepWorker(env);
    say('ready; Ctrl-C stops everything');
  });
  const code = await shop.ended;
  await worker?.stop();
  return code;
}

/**
 * Another process beside the shop, and another one again when it ends by itself.
 *
 * @param {NodeJS.ProcessEnv} env
 */
function keepWorker(env) {
  let isOver = false;
  /** @type {ReturnType<typeof startProgram> | undefined} */
  let worker;
  /** @type {NodeJS.Timeout | undefined} */
  let timer;

  async function run() {
    worker = startProgram('demo-app/worker.ts', env);
    worker.child.stdout?.on('data', (chunk) => process.stdout.write(chunk));
    const code = await worker.ended;
    if (isOver || worker.isStopping()) return;
    say(`the worker ended (${code}): the shop goes on; another worker in ${NEXT_WORKER_AFTER_MS / 1000} s`);
    timer = setTimeout(start, NEXT_WORKER_AFTER_MS);
  }
  function start() {
    run().catch((error) => say(`no worker: ${reason(error)}`));
  }
  // Without Redis no other process hears of anything: the shop does that work itself.
  if (env.REDIS_URL) start();

  return {
    async stop() {
      isOver = true;
      clearTimeout(timer);
      if (worker) await end(worker.child, 'SIGTERM', DRAINED_WITHIN_MS);
    },
  };
}

/**
 * @param {string} program
 * @param {NodeJS.ProcessEnv} env
 */
function startProgram(program, env) {
  return startChild(['--import', import.meta.resolve('tsx'), program], {
    cwd: REPOSITORY,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    // Whatever the signal was, this one means: finish what was begun, then leave.
    stopSignal: 'SIGTERM',
    graceMs: DRAINED_WITHIN_MS,
    isQuiet: program !== 'demo-app/server.ts',
  });
}
