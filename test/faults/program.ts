/** An app in a process of its own, so that an exit of it is seen, and an observer inside. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { onTestEnd } from '../support/cleanup.js';
import { talkTo } from '../support/http.js';
import { until } from '../support/until.js';
import type { Observed } from './observe.js';

const REPOSITORY = join(__dirname, '..', '..');
const OBSERVER = pathToFileURL(join(__dirname, 'observe.ts')).href;
const READY_WITHIN_MS = 60_000;

export interface Program {
  /** Of one that listens. */
  readonly url: string;
  readonly pid: number;
  output(): string;
  observed(): Promise<Observed>;
  /** Keeps it from doing anything else for so long. */
  block(ms: number): Promise<void>;
  hasEnded(): boolean;
  signal(signal: NodeJS.Signals): void;
  /** The exit code, or the signal that ended it. */
  ended(): Promise<number | string>;
}

/** Runs a TypeScript file of the repository until the test ends; resolves when its output matches `isReady`. */
export async function startProgram(
  file: string,
  env: Readonly<Record<string, string>>,
  isReady = /^listening on /m,
): Promise<Program> {
  const child = spawn(process.execPath, ['--import', 'tsx', '--import', OBSERVER, file], {
    cwd: REPOSITORY,
    env: { PATH: process.env.PATH ?? '', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  onTestEnd(() => child.kill('SIGKILL'));
  await until(() => (isReady.test(output) && /^observed on /m.test(output)) || hasEnded(), READY_WITHIN_MS);
  if (hasEnded()) throw new Error(`${file} did not start:\n${output}`);

  const observer = talkTo(`http://127.0.0.1:${/^observed on (\d+)$/m.exec(output)?.[1]}`);
  const port = /^listening on \S*?(\d+)$/m.exec(output)?.[1];
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid as number,
    output: () => output,
    observed: async () => (await observer.get('/')).json(),
    block: async (ms) => void (await observer.get(`/block/${ms}`)),
    hasEnded,
    signal: (signal) => void child.kill(signal),
    async ended() {
      const [code, signal] = await closed;
      return code ?? signal ?? 'unknown';
    },
  };
}
