// Runs the set-up's modules as they run in life: in a Node of their own, without jest.

import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { onTestEnd } from '../support/cleanup.js';
import { until } from '../support/until.js';

export const REPOSITORY: string = join(__dirname, '../..');

export interface Program {
  readonly pid: number;
  /** What it has printed so far, both streams. */
  readonly output: () => string;
  /** Resolves with the first match in its output. */
  readonly prints: (pattern: RegExp) => Promise<RegExpExecArray>;
  /** Resolves with its exit code, null when a signal ended it. */
  readonly exited: Promise<number | null>;
}

interface Surroundings {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** Runs the source of a module, in which `./x.mjs` is a file of demo-app/setup. */
export function runModule(
  source: string,
  surroundings?: Surroundings,
  repository: string = REPOSITORY,
): Program {
  const setup = pathToFileURL(join(repository, 'demo-app/setup')).href;
  const absolute = source.replaceAll("from './", `from '${setup}/`);
  return runNode(['--input-type=module', '--eval', absolute], surroundings);
}

export function runNode(args: readonly string[], { env, cwd = REPOSITORY }: Surroundings = {}): Program {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exited = endOf(child);
  onTestEnd(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  async function prints(pattern: RegExp): Promise<RegExpExecArray> {
    const found = () => pattern.exec(output);
    await until(() => found() !== null || hasExited(child), 15_000);
    const match = found();
    if (!match) throw new Error(`${pattern} was not printed, but:\n${output}`);
    return match;
  }
  return { pid: child.pid as number, output: () => output, prints, exited };
}

function endOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** A new folder, removed when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'express-redis-suite test '));
  onTestEnd(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** A folder with the set-up of this repository in it and nothing else: no packages, no app. */
export function bareClone(): string {
  const clone = join(temporaryFolder(), 'clone');
  mkdirSync(join(clone, 'test/support'), { recursive: true });
  cpSync(join(REPOSITORY, 'demo-app/setup'), join(clone, 'demo-app/setup'), { recursive: true });
  cpSync(join(REPOSITORY, 'compose.yaml'), join(clone, 'compose.yaml'));
  for (const file of ['package.json', 'package-lock.json', 'test/run.mjs']) {
    cpSync(join(REPOSITORY, file), join(clone, file));
  }
  return clone;
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's, as Postgres is when the tests run as root.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
