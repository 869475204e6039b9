/** A server in a process of its own, as its users start it. */
import { spawn } from 'node:child_process';
import { onTestEnd } from './cleanup.js';
import { type Served, talkTo } from './http.js';

export interface ProgramOptions {
  readonly cwd: string;
  /** Beside this process' own. */
  readonly env: Readonly<Record<string, string>>;
}

/** Characters that a program says before it listens. */
const LONGEST_START = 100_000;

/** Runs Node with `args` until the test ends, and talks to the port that the program says it is `listening on`. */
export async function serveProgram(args: readonly string[], { cwd, env }: ProgramOptions): Promise<Served> {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestEnd(() => child.kill('SIGKILL'));
  const port = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.once('exit', (code) => reject(new Error(`${args.at(-1)} ended with exit code ${code}: ${said}`)));
    child.stdout.setEncoding('utf8').on('data', function listen(chunk: string) {
      if (said.length < LONGEST_START) said += chunk;
      const port = /listening on (\d+)/.exec(said)?.[1];
      if (port !== undefined) resolve(port);
    });
  });
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
