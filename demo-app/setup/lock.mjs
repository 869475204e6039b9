// A lock between processes: a file that holds its owner's process id and is touched while the owner lives.

import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from './log.mjs';

const HEARTBEAT_MS = 2_000;
// The heartbeat decides when the process id was given to another process; long, for a laptop that was asleep.
const STALE_AFTER_MS = 60_000;
const POLL_MS = 100;

/**
 * Runs `work` while no other process does so under the same path. A lock whose owner died is taken over.
 *
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(path, work) {
  const mine = `${process.pid} ${performance.timeOrigin}`;
  for (let waitedMs = 0; !acquire(path, mine); waitedMs += POLL_MS) {
    if (waitedMs === 1_000) say(`waiting for another run (process ${ownerOf(path) ?? 'unknown'})`);
    await sleep(POLL_MS);
    breakStaleLock(path);
  }
  const heartbeat = setInterval(() => touch(path), HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    if (read(path) === mine) rmSync(path, { force: true });
  }
}

/**
 * @param {string} path
 * @param {string} content
 */
function acquire(path, content) {
  try {
    writeFileSync(path, content, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  }
}

/** @param {string} path */
function breakStaleLock(path) {
  const seen = read(path);
  if (seen === null || !isStale(path)) return;
  // Of two that saw the same stale lock, the slower one must not remove the lock that the faster one has made since:
  // move it aside, look at what was moved, and put it back when it is not the one that was seen.
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
    if (read(aside) !== seen) linkSync(aside, path);
  } catch {
    // Somebody else moved it first.
  }
  rmSync(aside, { force: true });
}

/** @param {string} path */
function isStale(path) {
  const owner = ownerOf(path);
  if (owner !== null && !isAlive(owner)) return true;
  try {
    return Date.now() - statSync(path).mtimeMs > STALE_AFTER_MS;
  } catch {
    return false;
  }
}

/**
 * @param {string} path
 * @returns {number | null} null while the owner is about to write it
 */
function ownerOf(path) {
  return Number.parseInt(read(path) ?? '', 10) || null;
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/** @param {string} path */
function touch(path) {
  try {
    utimesSync(path, new Date(), new Date());
  } catch {
    // It was taken over: nothing to touch.
  }
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
