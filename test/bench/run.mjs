// `npm run bench -- rate-limit --quick`: installs, builds, starts a Redis of its own, and measures.
//
// Without a name it runs all benches. --quick takes less than a minute and is less sure; --json prints data instead of
// tables: `npm run -s bench -- --json > figures.json`; --markdown prints them as docs/benchmarks.md holds
// them, and --page puts them there.
// `npm run bench -- growth limits tags` measures how cost grows along some axes, or all; --full up to the big ends.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from '../../demo-app/setup/install.mjs';
import { reason, say } from '../../demo-app/setup/log.mjs';
import { startPostgres } from '../../demo-app/setup/postgres.mjs';
import { ask } from '../../demo-app/setup/programs.mjs';
import { findRedis, howToGetRedis, startRedis } from '../../demo-app/setup/redis.mjs';
import { startChild } from '../../demo-app/setup/signals.mjs';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const BUILT_WITHIN_MS = 120_000;
const STOPPED_WITHIN_MS = 3_000;

try {
  process.exitCode = await bench();
} catch (error) {
  say(reason(error));
  process.exitCode = 1;
}

/** @returns {Promise<number>} the exit code */
async function bench() {
  await ensureInstalled();
  await build();
  const redis = await startRedis();
  if (!redis) {
    say(`there is no Redis to measure with; type: ${howToGetRedis()}`);
    return 1;
  }
  const postgres = await startPostgres();
  say(`Redis ${redis.url} (${redis.description}), Postgres 127.0.0.1:${postgres.port}`);
  const program = ['--import', import.meta.resolve('tsx'), 'test/bench/main.ts', ...process.argv.slice(2)];
  const { ended } = startChild(program, {
    cwd: REPOSITORY,
    env: {
      ...process.env,
      BENCH_REDIS_URL: redis.url,
      // For the clusters that are started beside it.
      REDIS_SERVER_BIN: (await findRedis()) ?? '',
      BENCH_DATABASE_URL: postgres.url,
      BENCH_POSTGRES_PID: String(postgres.pid),
    },
    stdio: 'inherit',
    stopSignal: 'SIGTERM',
    graceMs: STOPPED_WITHIN_MS,
  });
  const code = await ended;
  await Promise.all([redis.stop(), postgres.stop()]);
  return code;
}

// What users run is the package as built, not its sources through a loader.
async function build() {
  const compiler = join(REPOSITORY, 'node_modules', 'typescript', 'bin', 'tsc');
  const settings = join(REPOSITORY, 'lib', 'tsconfig.esm.json');
  const { ok, stdout } = await ask(process.execPath, [compiler, '-p', settings], {
    timeoutMs: BUILT_WITHIN_MS,
  });
  if (!ok) throw new Error(`the build failed: ${stdout.trim()}`);
  say('built dist/esm');
}
