// Runs `npm ci` when node_modules does not hold what package-lock.json asks for; one run at a time.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from './folders.mjs';
import { withLock } from './lock.mjs';
import { say } from './log.mjs';
import { watchOver } from './watchdog.mjs';

/**
 * The part of a lock file that is compared.
 *
 * @typedef {object} LockedPackage
 * @property {string} [version]
 * @property {string} [integrity]
 * @property {boolean} [optional]
 * @property {string[]} [os]
 * @property {string[]} [cpu]
 *
 * @typedef {{ packages?: Record<string, LockedPackage> }} LockFile
 */

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

/** @param {string} [root] the folder of package-lock.json */
export async function ensureInstalled(root = REPOSITORY) {
  if (isUpToDate(root)) return;
  const id = createHash('sha256').update(realpathSync(root)).digest('hex').slice(0, 16);
  await withLock(join(cacheFolder(), `install-${id}.lock`), async function install() {
    // Whoever held the lock before us has probably done it.
    if (isUpToDate(root)) return;
    say('installing the packages (npm ci), the first time only');
    await npmCi(root);
    say('packages installed');
  });
}

/** @param {string} root */
function isUpToDate(root) {
  // npm writes node_modules/.package-lock.json last, after everything it lists is in place.
  const installed = readLockFile(join(root, 'node_modules', '.package-lock.json'));
  const wanted = readLockFile(join(root, 'package-lock.json'));
  return installed !== null && wanted !== null && isInstalled(wanted, installed);
}

/**
 * @param {LockFile} wanted package-lock.json
 * @param {LockFile} installed node_modules/.package-lock.json
 */
export function isInstalled(wanted, installed) {
  return Object.entries(wanted.packages ?? {}).every(([path, locked]) => {
    // '' is the project itself.
    if (path === '') return true;
    const found = installed.packages?.[path];
    // Optional packages are mostly those of other platforms; npm leaves them out.
    if (!found) return locked.optional === true;
    return (
      found.version === locked.version && found.integrity === locked.integrity && isForThisPlatform(found)
    );
  });
}

// A clone shared with a container or copied from another machine brings the binaries of that one.
/** @param {LockedPackage} found */
function isForThisPlatform({ os, cpu }) {
  return allows(os, process.platform) && allows(cpu, process.arch);
}

/**
 * @param {string[] | undefined} list as in package.json: names, or names with '!' for all but those
 * @param {string} name
 */
function allows(list, name) {
  if (!list || list.length === 0) return true;
  if (list.includes(`!${name}`)) return false;
  return list.includes(name) || list.every((each) => each.startsWith('!'));
}

/**
 * @param {string} path
 * @returns {LockFile | null}
 */
function readLockFile(path) {
  if (!existsSync(path)) return null;
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

/** @param {string} root */
function npmCi(root) {
  // NODE_ENV=production or an `omit` in somebody's .npmrc would leave out what the demo and the tests run on.
  return runNpm(root, ['ci', '--include=dev', '--include=optional']);
}

/**
 * @param {string} root the folder of package.json
 * @param {string[]} args
 * @returns {Promise<void>}
 */
export function runNpm(root, args) {
  const npm = npmCommand();
  const child = spawn(npm.command, [...npm.args, ...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    // Its summary says nothing that we do not; what goes wrong is on stderr.
    stdio: /** @type {const} */ (['ignore', 'ignore', 'inherit']),
    detached: true,
    shell: npm.command === 'npm' && process.platform === 'win32',
  });
  const release = child.pid ? watchOver({ pid: child.pid, group: true, signal: 'SIGTERM' }) : () => {};
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new Error(`npm could not be run: ${error.message}`)));
    child.on('exit', (code) => {
      release();
      if (code === 0) return resolve(undefined);
      reject(new Error(`npm ${args[0]} failed (exit code ${code}); its own words are above`));
    });
  });
}

// The npm that called us, which need not be the one on the PATH.
function npmCommand() {
  const caller = process.env.npm_execpath ?? '';
  if (!/^npm-cli\.[cm]?js$/.test(basename(caller))) return { command: 'npm', args: [] };
  return { command: process.execPath, args: [caller] };
}
