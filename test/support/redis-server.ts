// A Redis of a test's own, to kill, freeze and restart, and the servers that all tests share.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.js';
import { watchOver } from './watchdog.js';

const READY_WITHIN_MS = 10_000;
const GONE_WITHIN_MS = 5_000;
const START_TRIES = 20;

export interface RedisServerOptions {
  /** More arguments of redis-server, for example `['--maxmemory', '5mb']`. */
  readonly args?: readonly string[];
  /** A port of 127.0.0.1; default: a free one. */
  readonly port?: number;
}

/** The URL of the Redis that all tests of a run share: never flush it, use keys of your own. */
export function sharedRedisUrl(): string {
  return fromRunner('TEST_REDIS_URL');
}

/** The URL of the Postgres that all tests of a run share: use a schema of your own. */
export function testDatabaseUrl(): string {
  return fromRunner('TEST_DATABASE_URL');
}

function fromRunner(variable: string): string {
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set: run the tests with: npm test -- <pattern>`);
  return value;
}

const running = new Set<RedisServer>();

/** Stops what the tests of this file did not stop themselves. */
export async function stopAllServers(): Promise<void> {
  await Promise.all([...running].map((server) => server.stop()));
}

export class RedisServer {
  readonly port: number;
  readonly #args: readonly string[];
  readonly #folder: string;
  #child: ChildProcess | undefined;
  #release: () => void = () => {};

  private constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.#args = args;
    this.#folder = mkdtempSync(join(tmpdir(), 'express-redis-suite-test-redis-'));
    running.add(this);
  }

  /** Starts a server and waits until it answers. */
  static async start({ args = [], port }: RedisServerOptions = {}): Promise<RedisServer> {
    for (let tries = 1; ; tries += 1) {
      const server = new RedisServer(port ?? randomPort(), args);
      try {
        await server.#launch();
        return server;
      } catch (error) {
        await server.stop();
        // Asking for a free port and then using it is a race; trying ports until the server gets one is not.
        if (port !== undefined || tries === START_TRIES || !isPortTaken(error)) throw error;
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Of the process that runs now; `restart()` changes it. */
  get pid(): number {
    if (!this.#child?.pid) throw new Error('this Redis is not running');
    return this.#child.pid;
  }

  /** Ends it as a crash does, and waits until it is gone: connections to it are reset or refused. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    child.kill('SIGKILL');
    await until(() => hasEnded(child), GONE_WITHIN_MS, 'Redis did not end');
    this.#child = undefined;
    this.#release();
  }

  /** From now on it accepts connections and commands, and answers nothing. */
  freeze(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  thaw(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  /** Empty again, on the same port; waits until it answers. */
  async restart(): Promise<void> {
    await this.kill();
    await this.#launch();
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
    running.delete(this);
  }

  async #launch(): Promise<void> {
    const logFile = join(this.#folder, 'server.log');
    const log = openSync(logFile, 'w');
    const child = spawn(fromRunner('REDIS_SERVER_BIN'), [...this.#defaultArgs(), ...this.#args], {
      cwd: this.#folder,
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    // A Redis that a test forgot must not keep jest from ending.
    child.unref();
    child.on('error', () => {});
    this.#child = child;
    if (child.pid) this.#release = watchOver({ pid: child.pid, folder: this.#folder });

    // The log, not the port: whoever answers on the port may be somebody else's server.
    const isReady = () => readFileSync(logFile, 'utf8').includes('Ready to accept connections');
    await until(() => isReady() || hasEnded(child), READY_WITHIN_MS, 'Redis did not get ready');
    if (!isReady()) throw new Error(`Redis did not start: ${readFileSync(logFile, 'utf8')}`);
  }

  #defaultArgs(): string[] {
    const listen = ['--bind', '127.0.0.1', '--port', String(this.port), '--dir', this.#folder];
    return [...listen, '--save', '', '--appendonly', 'no', '--daemonize', 'no'];
  }
}

// Below the ports that the kernel gives to outgoing connections (from 32768), so that none of those can take the port
// of a server that is down for a moment. The port of a Redis Cluster's bus, 10000 above, stays below them too.
function randomPort(): number {
  return randomInt(10_240, 22_240);
}

function isPortTaken(error: unknown): boolean {
  return /address already in use/i.test(String(error));
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
