// `npm run soak -- --minutes 5`: 100,000 distinct keys and 100 restarts of Redis, and what they leave behind.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const RUNNER = fileURLToPath(new URL('../run.mjs', import.meta.url));
const { minutes } = parseArgs({ options: { minutes: { type: 'string', default: '5' } } }).values;
if (!(Number(minutes) > 0)) throw new Error(`--minutes ${minutes}: use a number above 0`);

const { status } = spawnSync(process.execPath, [RUNNER, '--ci', '--testMatch', '**/test/soak/*.soak.ts'], {
  stdio: 'inherit',
  env: { ...process.env, SOAK_MINUTES: minutes },
});
process.exitCode = status ?? 1;
