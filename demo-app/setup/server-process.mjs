// Starts a throwaway server as a child process, waits until it serves, and stops it again.

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { watchOver } from './watchdog.mjs';

/**
 * @typedef {object} ServerPlan
 * @property {string} name what to call it in an error
 * @property {string} command
 * @property {(port: number) => string[]} args
 * @property {string} folder its own folder: holds its log, removed when it stops
 * @property {string} readyText what it logs when it serves
 * @property {NodeJS.Signals} stopSignal
 * @property {NodeJS.Signals} orphanSignal how to end it when we are gone
 * @property {NodeJS.ProcessEnv} [env]
 * @property {{ uid: number, gid: number }} [user]
 *
 * @typedef {object} RunningServer
 * @property {number} port
 * @property {number} pid
 * @property {() => Promise<void>} stop
 */

const READY_WITHIN_MS = 30_000;
const STOPPED_WITHIN_MS = 8_000;
const PORT_TRIES = 20;

/**
 * @param {ServerPlan} plan
 * @returns {Promise<RunningServer>}
 */
export async function startServer(plan) {
  for (let tries = 1; ; tries += 1) {
    const port = randomPort();
    const server = launch(plan, port);
    if (await isReady(server, plan)) return running(server, port, plan);

    const log = readLog(plan.folder);
    await end(server.child, 'SIGKILL');
    server.release();
    // Asking for a free port and then using it is a race; trying ports until the server gets one is not.
    if (/address already in use/i.test(log) && tries < PORT_TRIES) continue;
    rmSync(plan.folder, { recursive: true, force: true });
    throw new Error(`${plan.name} did not start: ${server.trouble || lastLines(log) || 'it wrote no log'}`);
  }
}

// Below the ports that the kernel gives to outgoing connections (from 32768), so that none of those can take the port
// of a server that is down for a moment. The port of a Redis Cluster's bus, 10000 above, stays below them too.
function randomPort() {
  return randomInt(10_240, 22_240);
}

/**
 * @param {ServerPlan} plan
 * @param {number} port
 */
function launch({ command, args, folder, env, user, orphanSignal }, port) {
  const log = openSync(join(folder, 'server.log'), 'w', 0o600);
  const child = spawn(command, args(port), {
    cwd: folder,
    env: env ?? process.env,
    // Ctrl-C goes to the process group of the terminal: the servers must outlive the app that is still draining.
    detached: true,
    stdio: ['ignore', log, log],
    ...user,
  });
  closeSync(log);
  child.unref();

  const server = { child, release: () => {}, trouble: '' };
  child.on('error', (error) => {
    server.trouble = error.message;
  });
  if (!child.pid) return server;
  server.release = watchOver({ pid: child.pid, signal: orphanSignal, folder });
  // From then on its process id may be somebody else's.
  child.once('exit', () => {
    server.release();
    server.release = watchOver({ folder });
  });
  return server;
}

/**
 * @param {{ child: import('node:child_process').ChildProcess, trouble: string }} server
 * @param {ServerPlan} plan
 */
async function isReady({ child }, { folder, readyText }) {
  // The log, not the port: whoever answers on the port may be somebody else's server.
  for (const deadline = performance.now() + READY_WITHIN_MS; performance.now() < deadline; await sleep(10)) {
    if (hasEnded(child)) return false;
    if (readLog(folder).includes(readyText)) return true;
  }
  return false;
}

/**
 * @param {{ child: import('node:child_process').ChildProcess, release: () => void }} server
 * @param {number} port
 * @param {ServerPlan} plan
 * @returns {RunningServer}
 */
function running(server, port, { stopSignal, folder }) {
  const { child } = server;
  /** @type {Promise<void> | undefined} */
  let stopping;
  async function stopOnce() {
    await end(child, stopSignal);
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    server.release();
  }
  return {
    port,
    pid: /** @type {number} */ (child.pid),
    stop() {
      stopping ??= stopOnce();
      return stopping;
    },
  };
}

/**
 * Asks a child to end, and makes it end when it does not within `graceMs`.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @param {NodeJS.Signals} signal
 */
export async function end(child, signal, graceMs = STOPPED_WITHIN_MS) {
  for (const each of /** @type {NodeJS.Signals[]} */ ([signal, 'SIGKILL'])) {
    if (hasEnded(child)) return;
    child.kill(each);
    for (const deadline = performance.now() + graceMs; performance.now() < deadline; await sleep(10)) {
      if (hasEnded(child)) return;
    }
  }
}

/** @param {import('node:child_process').ChildProcess} child */
function hasEnded(child) {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** @param {string} folder */
function readLog(folder) {
  try {
    return readFileSync(join(folder, 'server.log'), 'utf8');
  } catch {
    return '';
  }
}

/** @param {string} log */
function lastLines(log) {
  return log.trim().split('\n').slice(-5).join('\n');
}
