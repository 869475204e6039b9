/** The processes of a bench: the contenders' servers and the one that sends the load; they end when this one does. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';

const ANSWER_WITHIN_MS = 150_000;

/** What a contender is. `ours` are judged by the floor and by the peer. */
export interface ContenderSpec {
  readonly name: string;
  /** Its server, relative to this folder. */
  readonly file: string;
  readonly env?: Readonly<Record<string, string>>;
}

interface Usage {
  /** User and system time of the server's process since it started. */
  readonly cpuMicros: number;
  /** How long the ends of probed responses were held back since the last question. */
  readonly heldMs: readonly number[];
}

export interface Contender {
  readonly name: string;
  readonly port: number;
  readonly redisUrl: string;
  usage(): Promise<Usage>;
  stop(): void;
}

interface Order {
  readonly port: number;
  /** Whole HTTP requests; no two connections send the same one. */
  readonly requests: readonly string[];
  readonly count: number;
  readonly connections: number;
}

export interface LoadOutcome {
  readonly sent: number;
  readonly durationMs: number;
  readonly p99Ms: number;
  readonly statuses: Readonly<Record<string, number>>;
}

export interface LoadSender {
  send(order: Order): Promise<LoadOutcome>;
  stop(): void;
}

export async function startContender(spec: ContenderSpec, redisUrl: string): Promise<Contender> {
  const child = start(spec.file, { ...spec.env, BENCH_REDIS_URL: redisUrl, NODE_ENV: 'production' });
  const { port } = (await answerOf(child, spec.name)) as { port: number };
  return {
    name: spec.name,
    port,
    redisUrl,
    usage: () => ask(child, {}, spec.name) as Promise<Usage>,
    stop: () => void child.kill('SIGKILL'),
  };
}

export function startLoadSender(): LoadSender {
  const child = start('load-process.mjs', {});
  return {
    async send(order) {
      const outcome = (await ask(child, order, 'the load')) as LoadOutcome & { error?: string };
      if (outcome.error !== undefined) throw new Error(`the load failed: ${outcome.error}`);
      return outcome;
    },
    stop: () => void child.kill('SIGKILL'),
  };
}

function start(file: string, env: NodeJS.ProcessEnv): ChildProcess {
  // Without our own loader: contenders run as their users run them.
  return fork(join(process.cwd(), 'test/bench', file), [], {
    env: { ...process.env, ...env },
    // Who waits for a turn is not idle: V8 would throw away what it has compiled, and each round begin with doing so again.
    execArgv: ['--no-memory-reducer'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

function ask(child: ChildProcess, question: object, name: string): Promise<unknown> {
  const answer = answerOf(child, name);
  child.send(question);
  return answer;
}

function answerOf(child: ChildProcess, name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => settle(() => reject(new Error(`${name} does not answer`))),
      ANSWER_WITHIN_MS,
    );
    const answered = (message: unknown) => settle(() => resolve(message));
    const ended = (code: number | null) =>
      settle(() => reject(new Error(`${name} ended with exit code ${code}`)));
    child.on('message', answered);
    child.on('exit', ended);

    function settle(how: () => void) {
      clearTimeout(timer);
      child.off('message', answered);
      child.off('exit', ended);
      how();
    }
  });
}
