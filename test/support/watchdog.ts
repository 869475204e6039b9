// Tells the set-up's watchdog process which servers have to end when this jest worker does, even by `kill -9`.

import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { join } from 'node:path';

const PROGRAM = join(process.cwd(), 'demo-app/setup/watchdog-process.mjs');

interface Entry {
  readonly pid: number;
  readonly folder: string;
}

let stdin: Socket | undefined;
let nextId = 1;

/** Call what it returns once the process has ended. */
export function watchOver(entry: Entry): () => void {
  stdin ??= startWatchdog();
  const id = String(nextId++);
  tell({ watch: { id, ...entry } });
  return () => tell({ release: id });
}

function tell(message: object): void {
  stdin?.write(`${JSON.stringify(message)}\n`);
}

function startWatchdog(): Socket {
  const child = spawn(process.execPath, [PROGRAM], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => {});
  child.unref();
  // Typed as a plain stream, the pipe is a socket; it must not keep jest from ending.
  const pipe = child.stdin as unknown as Socket;
  pipe.on('error', () => {});
  pipe.unref();
  return pipe;
}
