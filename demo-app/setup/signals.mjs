// Runs children that get every signal exactly once, from us, and time to end in good order.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { say } from './log.mjs';
import { watchOver } from './watchdog.mjs';

// Ctrl-C below npm arrives twice: from the terminal, and passed on by npm.
const SAME_SIGNAL_MS = 1_000;
const PARENT_CHECK_MS = 500;
const STOP_SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

/** @type {Set<(signal: NodeJS.Signals) => void>} */
const stopChildren = new Set();
let hasHadChildren = false;

for (const signal of STOP_SIGNALS) process.on(signal, stop);

// npm runs us through a shell, and a shell that is told to stop dies without telling us.
if (process.env.npm_lifecycle_event) {
  const shell = process.ppid;
  const watch = setInterval(function watchShell() {
    if (process.ppid === shell) return;
    clearInterval(watch);
    stop('SIGHUP');
  }, PARENT_CHECK_MS);
  watch.unref();
}

/** @param {NodeJS.Signals} signal */
function stop(signal) {
  // Before there is a child, leaving is enough: the watchdog ends what was started so far.
  if (!hasHadChildren) process.exit(exitCodeOf(signal));
  // After the last one has ended a signal no longer interrupts: everything is being stopped already.
  for (const stopChild of stopChildren) stopChild(signal);
}

/**
 * @typedef {object} ChildPlan
 * @property {string} cwd
 * @property {NodeJS.ProcessEnv} env
 * @property {import('node:child_process').StdioOptions} stdio
 * @property {NodeJS.Signals} stopSignal what it is sent when we are told to stop
 * @property {number} graceMs after that, it is killed; a second signal kills it at once
 * @property {boolean} [isQuiet] whether another child says that it is stopping
 * @property {string} [node] another Node than our own
 */

/**
 * @param {string[]} args of node
 * @param {ChildPlan} plan
 */
export function startChild(
  args,
  { cwd, env, stdio, stopSignal, graceMs, isQuiet = false, node = process.execPath },
) {
  // Detached, or Ctrl-C would reach it from the terminal and again from us.
  const child = spawn(node, args, { cwd, env, stdio, detached: true });
  const release = child.pid
    ? watchOver({ pid: child.pid, group: true, signal: stopSignal })
    : function nothing() {};

  /** @type {NodeJS.Timeout | undefined} */
  let patience;
  let firstSignalMs = 0;
  /** @param {NodeJS.Signals} signal */
  function stopOnce(signal) {
    if (patience && performance.now() - firstSignalMs < SAME_SIGNAL_MS) return;
    if (patience) return killGroup();
    if (!isQuiet) say(`${signal}: stopping`);
    child.kill(stopSignal);
    firstSignalMs = performance.now();
    patience = setTimeout(killGroup, graceMs);
  }
  hasHadChildren = true;
  stopChildren.add(stopOnce);

  function killGroup() {
    say('not waiting any longer');
    signalGroup(child, 'SIGKILL');
  }

  /** @type {Promise<number>} */
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(patience);
      release();
      stopChildren.delete(stopOnce);
      resolve(signal ? exitCodeOf(signal) : (code ?? 1));
    });
  });
  return { child, ended, isStopping: () => patience !== undefined };
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {NodeJS.Signals} signal
 */
export function signalGroup({ pid }, signal) {
  try {
    if (pid) process.kill(-pid, signal);
  } catch {
    // It has just ended.
  }
}

/** @param {NodeJS.Signals} signal */
function exitCodeOf(signal) {
  return 128 + constants.signals[signal];
}
