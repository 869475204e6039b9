/** A server in a process of its own, as its users start it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestEnd } from './cleanup.js';
import { type Served, talkTo } from './http.js';

export interface ProgramOptions {
  readonly cwd: string;
  /** Beside this process' own. */
  readonly env: Readonly<Record<string, string>>;
}

/** Runs Node with `args` until the test ends, and talks to the port that the program says it is `listening on`. */
export async function serveProgram(args: readonly string[], { cwd, env }: ProgramOptions): Promise<Served> {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestEnd(() => child.kill('SIGKILL'));
  const [line] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) => [`it ended with exit code ${code}`]),
  ]);
  const port = /listening on (\d+)/.exec(String(line))?.[1];
  if (port === undefined) throw new Error(`${args.at(-1)} does not serve: ${line}`);
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
