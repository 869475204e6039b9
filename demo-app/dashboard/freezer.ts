/** Stops the demo's own Redis for three seconds, as a full machine or a stuck disk would, and surely starts it again. */
import { spawn } from 'node:child_process';
import type { RedisClient } from '../database/redis.js';
import { within } from '../database/within.js';

/** `frozen`; or why not: it is frozen already, or that process is not the Redis that we talk to. */
export type Freezing = 'frozen' | 'already' | 'not-ours';

export interface Freezer {
  freeze(): Promise<Freezing>;
}

export const FROZEN_FOR_MS = 3000;
const REDIS_WITHIN_MS = 500;
/** A program of its own, so that Redis thaws also when this process is killed meanwhile. */
const STOP_AND_GO = `
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  process.kill(Number(process.argv[1]), 'SIGSTOP');
  setTimeout(() => process.kill(Number(process.argv[1]), 'SIGCONT'), Number(process.argv[2]));
`;

export function openFreezer(redis: RedisClient, pid: number): Freezer {
  let isFrozen = false;

  async function freeze(): Promise<Freezing> {
    if (isFrozen) return 'already';
    isFrozen = true;
    try {
      const isOurs = await isProcessOf(redis, pid);
      if (isOurs) await stopAndGo();
      else isFrozen = false;
      return isOurs ? 'frozen' : 'not-ours';
    } catch (error) {
      isFrozen = false;
      throw error;
    }
  }

  function stopAndGo(): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, ['-e', STOP_AND_GO, String(pid), String(FROZEN_FOR_MS)], {
        detached: true,
        stdio: 'ignore',
      });
      child.on('spawn', resolve).on('error', reject);
      child.on('exit', function thaw() {
        // Whatever became of that program.
        continueProcess(pid);
        isFrozen = false;
      });
      child.unref();
    });
  }

  return { freeze };
}

/** The number may be somebody else's by now: Redis itself says which it has. */
async function isProcessOf(redis: RedisClient, pid: number): Promise<boolean> {
  const info = await within(REDIS_WITHIN_MS, () => redis.info('server'));
  return /^process_id:(\d+)\r?$/m.exec(info ?? '')?.[1] === String(pid);
}

function continueProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // It has ended.
  }
}
