// `npm test`: installs what is missing, starts a Redis and a Postgres of its own, and runs jest against them.
//
// What is given after `--` goes to jest: `npm test -- session`, `npm test -- -t 'slides'`.

import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newFolder } from '../demo-app/setup/folders.mjs';
import { ensureInstalled } from '../demo-app/setup/install.mjs';
import { reason, say } from '../demo-app/setup/log.mjs';
import { startPostgres } from '../demo-app/setup/postgres.mjs';
import { findRedis, howToGetRedis, startRedis } from '../demo-app/setup/redis.mjs';
import { signalGroup, startChild } from '../demo-app/setup/signals.mjs';
import { watchOver } from '../demo-app/setup/watchdog.mjs';

const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));
const TALLY_REPORTER = fileURLToPath(new URL('./support/tally.mjs', import.meta.url));
const IS_WATCHING = process.argv.some((argument) => argument.startsWith('--watch'));
const INTERRUPTED_WITHIN_MS = 5_000;
const EXIT_WITHIN_MS = 10_000;

/** @typedef {{ passed: number, failed: number, skipped: number }} Tally */

try {
  process.exitCode = await test();
} catch (error) {
  say(reason(error));
  process.exitCode = 1;
}

/** @returns {Promise<number>} the exit code */
async function test() {
  // Before the packages are installed: without a Redis there is nothing to wait for.
  const program = await findRedis();
  if (!program) return refuse();
  await ensureInstalled();

  // Every Redis of this run is this program, the shared one and those that the tests start themselves.
  process.env.REDIS_SERVER_BIN = program;
  const [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
  if (!redis) return refuse();
  say(`Redis ${redis.url} (${program}), Postgres 127.0.0.1:${postgres.port}`);

  const { code, tally } = await runJest({ TEST_REDIS_URL: redis.url, TEST_DATABASE_URL: postgres.url });
  await Promise.all([redis.stop(), postgres.stop()]);
  say('all tests done');
  return report(code, tally);
}

function refuse() {
  process.stderr.write(`The tests run on a real Redis (6.2 or later, or Valkey), and there is none here. Type

    ${howToGetRedis()}

and then npm test again. Docker alone will not do: the tests kill, freeze and restart servers of their own.
`);
  return 1;
}

/** @param {NodeJS.ProcessEnv} servers */
async function runJest(servers) {
  const folder = newFolder('tally');
  const release = watchOver({ folder });
  const tallyFile = join(folder, 'tally.json');
  /** @type {NodeJS.ProcessEnv} */
  const env = { ...process.env, ...servers, TEST_TALLY_FILE: tallyFile };
  // Somebody's own servers, which no test may touch.
  delete env.REDIS_URL;
  delete env.DATABASE_URL;

  const jest = join('node_modules', 'jest', 'bin', 'jest.js');
  // They come last: jest takes a pattern that follows them for one more reporter.
  const reporters = ['--reporters=default', `--reporters=${TALLY_REPORTER}`];
  const { child, ended } = startChild([jest, ...process.argv.slice(2), ...reporters], {
    cwd: REPOSITORY,
    env,
    stdio: 'inherit',
    stopSignal: 'SIGINT',
    graceMs: INTERRUPTED_WITHIN_MS,
  });
  const stopWaiting = endWhenDone(child, tallyFile);
  const code = await ended;
  stopWaiting();
  const tally = readTally(tallyFile);
  rmSync(folder, { recursive: true, force: true });
  release();
  return { code, tally };
}

/**
 * Jest waits for ever when a test leaves a socket or a timer behind.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @param {string} tallyFile
 */
function endWhenDone(child, tallyFile) {
  let doneSinceMs = 0;
  const timer = setInterval(function look() {
    if (IS_WATCHING || !readTally(tallyFile)) return;
    doneSinceMs ||= performance.now();
    if (performance.now() - doneSinceMs < EXIT_WITHIN_MS) return;
    say(
      'jest is killed: something is still open long after the last test (find it with --detectOpenHandles)',
    );
    signalGroup(child, 'SIGKILL');
  }, 1_000);
  return () => clearInterval(timer);
}

/**
 * @param {string} path
 * @returns {Tally | null} null when jest did not come to its end
 */
function readTally(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

/**
 * @param {number} code jest's own
 * @param {Tally | null} tally
 */
function report(code, tally) {
  const { passed, failed, skipped } = tally ?? { passed: 0, failed: 0, skipped: 0 };
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  return passed + failed === 0 ? code || 1 : code;
}
