// `npm run test:pgbouncer`: the demo behind a real PgBouncer. Apart from `npm test`, which asks for a Redis and nothing more.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findPgBouncer, howToGetPgBouncer } from '../../demo-app/setup/pgbouncer.mjs';

const RUNNER = fileURLToPath(new URL('../run.mjs', import.meta.url));
const TESTS = [RUNNER, '--ci', '--testMatch', '**/test/demo-app/*.pgbouncer.ts', ...process.argv.slice(2)];

const program = await findPgBouncer();
if (program) {
  const env = { ...process.env, PGBOUNCER_BIN: program };
  process.exitCode = spawnSync(process.execPath, TESTS, { stdio: 'inherit', env }).status ?? 1;
} else {
  process.stderr.write(`There is no PgBouncer here. Type

    ${howToGetPgBouncer()}

and then npm run test:pgbouncer again.
`);
  process.exitCode = 1;
}
