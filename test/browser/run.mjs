// `npm run test:browser`: the dashboard in a headless Chromium. `npm run screenshots`: its pictures for the docs.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { installDebian, mayInstallDebian } from '../../demo-app/setup/debian.mjs';
import { say } from '../../demo-app/setup/log.mjs';
import { onPath } from '../../demo-app/setup/programs.mjs';

const RUNNER = fileURLToPath(new URL('../run.mjs', import.meta.url));
const INSTALLED_WITHIN_MS = 300_000;
// With the font that the page asks for first: pictures are then the same on every machine.
const PACKAGES = ['chromium', 'fonts-inter'];

const [first = '', ...others] = process.argv.slice(2);
const isForPictures = first === '--screenshots';
const pattern = `**/test/browser/*.${isForPictures ? 'shots' : 'browser'}.ts`;
const more = isForPictures ? others : process.argv.slice(2);

const program = findChromium() ?? (await installChromium());
if (program) {
  const env = { ...process.env, CHROMIUM_PATH: program };
  const tests = [RUNNER, '--ci', '--testMatch', pattern, ...more];
  process.exitCode = spawnSync(process.execPath, tests, { stdio: 'inherit', env }).status ?? 1;
} else {
  process.stderr.write(`There is no Chromium here. Type

    sudo apt-get install chromium    (Debian; elsewhere the package chromium, or Google Chrome)

or set CHROMIUM_PATH to the program, and then npm run test:browser again.
`);
  process.exitCode = 1;
}

function findChromium() {
  const given = process.env.CHROMIUM_PATH;
  if (given && existsSync(given)) return given;
  if (given) say(`CHROMIUM_PATH: there is no ${given}`);
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  return names.map(onPath).find(Boolean) ?? null;
}

async function installChromium() {
  if (!mayInstallDebian) return null;
  say("no Chromium here: installing Debian's (apt-get)");
  await installDebian(PACKAGES, INSTALLED_WITHIN_MS);
  return findChromium();
}
