// Tells a small process beside us what has to end when we do, however we end.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {object} Entry
 * @property {string} id
 * @property {number} [pid] the process to end
 * @property {boolean} [group] whether its whole process group ends with it
 * @property {NodeJS.Signals} [signal] how to ask it, default SIGKILL; after 5 s it is SIGKILL anyway
 * @property {string} [folder] the folder to remove afterwards
 * @property {{ program: string, args: string[], env: NodeJS.ProcessEnv }} [command] what to run instead of a signal
 */

/** @type {import('node:child_process').ChildProcess | undefined} */
let watchdog;
let nextId = 1;

/**
 * @param {Omit<Entry, 'id'>} entry
 * @returns {() => void} call it once the thing has ended in good order
 */
export function watchOver(entry) {
  watchdog ??= startWatchdog();
  const id = String(nextId++);
  tell({ watch: { id, ...entry } });
  return function release() {
    tell({ release: id });
  };
}

/** @param {{ watch: Entry } | { release: string }} message */
function tell(message) {
  watchdog?.stdin?.write(`${JSON.stringify(message)}\n`);
}

function startWatchdog() {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./watchdog-process.mjs', import.meta.url))], {
    cwd: '/',
    // Its own process group: Ctrl-C in a terminal reaches the whole group, and the watchdog has to outlive us.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  child.unref();
  // The pipe must not keep us running; typed as a plain stream, it is a socket.
  /** @type {import('node:net').Socket} */ (/** @type {unknown} */ (child.stdin)).unref();
  return child;
}
