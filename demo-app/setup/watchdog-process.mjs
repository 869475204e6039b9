// Ends what its parent left running: a program of its own, so that it is still there after `kill -9` of the parent.
//
// The parent writes one JSON line per change on our standard input, `{ "watch": entry }` or `{ "release": id }`. The
// kernel closes that pipe however the parent dies, and then everything still on the list is ended.

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const GRACE_MS = 5_000;

/** @type {Map<string, import('./watchdog.mjs').Entry>} */
const watched = new Map();

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

for await (const line of createInterface({ input: process.stdin })) {
  const { watch, release } = JSON.parse(line);
  if (watch) watched.set(watch.id, watch);
  if (release) watched.delete(release);
}
await Promise.allSettled([...watched.values()].map(end));

/** @param {import('./watchdog.mjs').Entry} entry */
async function end({ pid, group = false, signal, folder, command }) {
  if (command)
    spawnSync(command.program, command.args, { stdio: 'ignore', timeout: 30_000, env: command.env });
  if (pid) await endProcess(group ? -pid : pid, signal ?? 'SIGKILL');
  // A process that is going down may still write a last file.
  if (folder) rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

/**
 * @param {number} target negative for a process group
 * @param {NodeJS.Signals} signal
 */
async function endProcess(target, signal) {
  send(target, signal);
  for (const deadline = Date.now() + GRACE_MS; Date.now() < deadline; await sleep(20)) {
    if (!send(target, 0)) return;
  }
  send(target, 'SIGKILL');
}

/**
 * @param {number} target
 * @param {NodeJS.Signals | 0} signal
 */
function send(target, signal) {
  try {
    return process.kill(target, signal);
  } catch {
    return false;
  }
}
