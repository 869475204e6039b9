/** A program in a process of its own, as its users start it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestEnd } from './cleanup.js';
import { type Served, talkTo } from './http.js';
import { until } from './until.js';

export interface Launched {
  readonly pid: number;
  /** Both outputs, as far as they came. */
  output(): string;
  signal(signal: NodeJS.Signals): void;
  hasEnded(): boolean;
  /** The exit code, or the signal that ended it; it is killed if it takes too long. */
  ended(): Promise<number | string>;
}

export interface LaunchOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

const LISTENS_WITHIN_MS = 60_000;
const GONE_WITHIN_MS = 12_000;

/** Runs Node with `args` until the test ends, in this environment and no other. */
export function launch(args: readonly string[], { cwd, env }: LaunchOptions): Launched {
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  onTestEnd(() => child.kill('SIGKILL'));
  return {
    pid: child.pid as number,
    output: () => output,
    signal: (signal) => void child.kill(signal),
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    async ended() {
      const tooLong = setTimeout(() => child.kill('SIGKILL'), GONE_WITHIN_MS);
      const [code, signal] = await closed;
      clearTimeout(tooLong);
      return code ?? signal ?? 'unknown';
    },
  };
}

/** Resolves with what `ready` finds in the program's output, once it does. */
export async function untilSaid(
  program: Launched,
  ready: RegExp,
  withinMs: number,
): Promise<RegExpExecArray> {
  const find = () => ready.exec(program.output());
  await until(() => find() !== null || program.hasEnded(), withinMs).catch(() => {});
  const found = find();
  if (found === null)
    throw new Error(`the program is not ready, it has ended or takes too long:\n${program.output()}`);
  return found;
}

/** The same in this process' environment and `env`, for a program that says which port it is `listening on`: talks to it. */
export async function serveProgram(args: readonly string[], { cwd, env }: LaunchOptions): Promise<Served> {
  const program = launch(args, { cwd, env: { ...process.env, ...env } });
  const [, port] = await untilSaid(program, /listening on (\d+)/, LISTENS_WITHIN_MS);
  return talkTo(`http://127.0.0.1:${port}`);
}

/** For programs that do not say where they listen: arguments of Node that make them say so. */
export const SAYING_WHERE: readonly string[] = [
  '--import',
  `data:text/javascript,${encodeURIComponent(`
    import { Server } from 'node:net';
    const { listen } = Server.prototype;
    Server.prototype.listen = function (...args) {
      this.once('listening', () => console.log('listening on ' + this.address().port));
      return listen.apply(this, args);
    };`)}`,
];
