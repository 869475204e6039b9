// Installs packages of Debian's, where we may: as root, with apt-get.

import { userId } from './folders.mjs';
import { say } from './log.mjs';
import { ask, onPath } from './programs.mjs';

export const mayInstallDebian = userId === 0 && onPath('apt-get') !== null;

/**
 * Choose packages that start no service. What goes wrong is said; look afterwards whether the program is there.
 *
 * @param {string[]} packages
 * @param {number} timeoutMs
 */
export async function installDebian(packages, timeoutMs) {
  const install = ['install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=60', ...packages];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  // Not SIGKILL, which would leave a package half installed.
  const options = { timeoutMs, env, killSignal: /** @type {const} */ ('SIGTERM') };
  let result = await ask('apt-get', install, options);
  if (!result.ok) {
    // On a new machine the package lists are missing or old.
    await ask('apt-get', ['update'], options);
    result = await ask('apt-get', install, options);
  }
  if (!result.ok) say(`apt-get: ${result.stderr.trim().split('\n').at(-1)}`);
}
