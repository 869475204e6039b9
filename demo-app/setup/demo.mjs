// `npm run demo`: installs what is missing, starts what is not given, and runs the shop until it is told to stop.

import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './install.mjs';
import { reason, say } from './log.mjs';
import { startPostgres } from './postgres.mjs';
import { howToGetRedis, startRedis } from './redis.mjs';
import { startChild } from './signals.mjs';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const DRAINED_WITHIN_MS = 10_000;

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
  return { env: { REDIS_URL: redis.url }, stop: redis.stop };
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
  return { env: { DATABASE_URL: postgres.url }, stop: postgres.stop };
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>}
 */
async function runShop(env) {
  const shop = startChild(['--import', import.meta.resolve('tsx'), 'demo-app/server.ts'], {
    cwd: REPOSITORY,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    // Whatever the signal was, this one means: finish what was begun, then leave.
    stopSignal: 'SIGTERM',
    graceMs: DRAINED_WITHIN_MS,
  });
  let hasSaidSo = false;
  shop.child.stdout?.on('data', (chunk) => {
    process.stdout.write(chunk);
    if (hasSaidSo || !String(chunk).includes('listening on http')) return;
    hasSaidSo = true;
    say('ready; Ctrl-C stops everything');
  });
  return shop.ended;
}
