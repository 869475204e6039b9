/** An app in a process of its own, so that an exit of it is seen, and an observer inside. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { talkTo } from '../support/http.js';
import { type Launched, launch, untilSaid } from '../support/program.js';
import type { Observed } from './observe.js';

const REPOSITORY = join(__dirname, '..', '..');
const OBSERVER = pathToFileURL(join(__dirname, 'observe.ts')).href;
const READY_WITHIN_MS = 60_000;

export interface Program extends Launched {
  /** Of one that listens. */
  readonly url: string;
  observed(): Promise<Observed>;
  /** Keeps it from doing anything else for so long. */
  block(ms: number): Promise<void>;
}

/** Runs a TypeScript file of the repository until the test ends; resolves when its output matches `isReady`. */
export async function startProgram(
  file: string,
  env: Readonly<Record<string, string>>,
  isReady = /^listening on /m,
): Promise<Program> {
  const program = launch(['--import', 'tsx', '--import', OBSERVER, file], {
    cwd: REPOSITORY,
    env: { PATH: process.env.PATH, PORT: '0', ...env },
  });
  await untilSaid(program, isReady, READY_WITHIN_MS);
  const [, observerPort] = await untilSaid(program, /^observed on (\d+)$/m, READY_WITHIN_MS);
  const observer = talkTo(`http://127.0.0.1:${observerPort}`);
  const port = /^listening on \S*?(\d+)$/m.exec(program.output())?.[1];
  return {
    ...program,
    url: `http://127.0.0.1:${port}`,
    observed: async () => (await observer.get('/')).json(),
    block: async (ms) => void (await observer.get(`/block/${ms}`)),
  };
}
