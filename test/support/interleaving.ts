/**
 * Who goes next: what several processes do at once, cut into steps of which one at a time is taken, in any order.
 *
 * Every call to a database or to Redis is a step, so is every timer that goes off and everything that befalls the world
 * (a process is killed, a lease expires). A list of choices decides, so that the same list makes the same history.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import timersPromises from 'node:timers/promises';

/** What one process does; all of it stops when the process is killed. */
export interface ActorProcess {
  readonly name: string;
  /** Timers longer than this, in milliseconds, never go off: how slow the world may seem to the process. */
  readonly longestTimerMs: number;
  isAlive: boolean;
}

/** Somebody goes on, for so many steps in a row if nothing stops them. */
export interface Choice {
  readonly pick: number;
  readonly steps: number;
}

interface Step {
  readonly process: ActorProcess | undefined;
  /** Whose turn it is: an actor's, that of a process' timers, or that of an event itself. */
  readonly turnOf: unknown;
  readonly label: string;
  readonly kind: 'call' | 'timer' | 'interval' | 'event';
  /** When a timer goes off at the latest, in milliseconds since the beginning. */
  readonly dueMs: number;
  isReady(): boolean;
  take(): unknown;
}

interface Actor {
  readonly process: ActorProcess;
  readonly name: string;
  isDone: boolean;
}

/** Rather than go on for ever, a history that does not end is an error. */
const MOST_STEPS = 3_000;

export class Interleaving {
  /** What has happened, step by step. */
  readonly history: string[] = [];
  readonly #actors: Actor[] = [];
  readonly #failures: unknown[] = [];
  #waiting: Step[] = [];
  #nowMs = 0;

  /** Begins at a moment of its own. */
  spawn(process: ActorProcess, name: string, act: () => Promise<unknown>): void {
    const actor = { process, name, isDone: false };
    this.#actors.push(actor);
    running.run({ interleaving: this, process, actor }, async () => {
      try {
        await new Promise((resolve) =>
          this.#add(stepOf(process, `${name} begins`, async () => resolve(actor))),
        );
        await act();
      } catch (error) {
        this.#failures.push(error);
      }
      actor.isDone = true;
    });
  }

  /**
   * What an actor asks of somebody else and waits for: one step in which it is done, and one in which the answer comes.
   * In a process that was killed it is neither.
   */
  call<Result>(
    process: ActorProcess,
    label: string,
    act: () => Promise<Result>,
    isReady?: () => boolean,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      const answerWith = (answer: () => void) =>
        this.#add({ ...request, label: `${label} is answered`, isReady: always, take: answer });
      const request = stepOf(
        process,
        label,
        () =>
          running.exit(act).then(
            (result) => answerWith(() => resolve(result)),
            (error) => answerWith(() => reject(error)),
          ),
        isReady,
      );
      this.#add(request);
    });
  }

  /** Something that may befall the world, once, while `isReady`; it need not. */
  mayHappen(label: string, act: () => unknown, isReady: () => boolean = always): void {
    this.#add({ process: undefined, turnOf: act, label, kind: 'event', dueMs: 0, isReady, take: act });
  }

  /** Goes off at any moment, unless it is too long for the process. Returns what calls it off. */
  addTimer(
    process: ActorProcess,
    kind: 'timer' | 'interval',
    afterMs: number,
    goOff: () => void,
  ): () => void {
    const isReady = () => afterMs <= process.longestTimerMs;
    let isOff = false;
    const step: Step = {
      process,
      turnOf: process,
      label: `${kind} of ${afterMs.toFixed(0)} ms`,
      kind,
      dueMs: this.#nowMs + afterMs,
      isReady,
      take: () => {
        if (kind === 'timer') this.#nowMs = Math.max(this.#nowMs, step.dueMs);
        goOff();
        if (kind === 'interval' && !isOff) this.#add(step);
      },
    };
    this.#add(step);
    return () => {
      isOff = true;
      this.#waiting = this.#waiting.filter((other) => other !== step);
    };
  }

  kill(process: ActorProcess): void {
    process.isAlive = false;
    this.#waiting = this.#waiting.filter((step) => step.process !== process);
  }

  /**
   * Takes steps as `choices` say, and then the rest in the order in which they were asked for. Nothing befalls the
   * world then but that time passes when all there is are timers: `whenTimePasses` says what comes of that.
   *
   * @throws what an actor throws, or an Error when a living one waits for what never comes
   */
  async run(choices: readonly Choice[], whenTimePasses: () => Promise<unknown> = nothing): Promise<void> {
    await turns(1);
    for (const choice of choices) await this.#takeTurn(choice);
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (next.kind === 'timer') await whenTimePasses();
      await this.#take(next);
      if (this.history.length > MOST_STEPS) throw new Error('this history does not end');
    }
    const stuck = this.#actors.find(({ process, isDone }) => process.isAlive && !isDone);
    if (this.#failures.length > 0) throw this.#failures[0];
    if (stuck !== undefined) throw new Error(`${stuck.process.name}: ${stuck.name} waits for ever`);
  }

  /** Whoever is picked from those who are ready, each as likely however much they wait for. */
  async #takeTurn({ pick, steps }: Choice): Promise<void> {
    const ready = this.#waiting.filter((step) => step.isReady());
    const candidates = [...new Set(ready.map(({ turnOf }) => turnOf))];
    const turnOf = candidates[pick % candidates.length];
    const own = ready.filter((step) => step.turnOf === turnOf);
    let next = own[Math.floor(pick / candidates.length) % own.length];
    for (let taken = 0; taken < steps && next !== undefined; taken += 1) {
      await this.#take(next);
      next = this.#waiting.find((step) => step.turnOf === turnOf && step.kind === 'call' && step.isReady());
    }
  }

  #add(step: Step): void {
    if (step.process?.isAlive !== false) this.#waiting.push(step);
  }

  /** The call that waits longest, else the timer that is due first. */
  #next(): Step | undefined {
    const ready = this.#waiting.filter((step) => step.isReady());
    const timers = ready.filter(({ kind }) => kind === 'timer').sort((a, b) => a.dueMs - b.dueMs);
    return ready.find(({ kind }) => kind === 'call') ?? timers[0];
  }

  async #take(step: Step): Promise<void> {
    this.#waiting = this.#waiting.filter((other) => other !== step);
    this.history.push(step.process === undefined ? step.label : `${step.process.name}: ${step.label}`);
    await step.take();
    // Whoever waited for it goes on, up to the next step. A timer may give the event loop some turns of grace.
    await turns(step.kind === 'call' ? 1 : 3);
  }
}

/** Of the actor at work. */
function stepOf(process: ActorProcess, label: string, take: () => unknown, isReady = always): Step {
  return { process, turnOf: running.getStore()?.actor, label, kind: 'call', dueMs: 0, isReady, take };
}

function always(): boolean {
  return true;
}

interface Context {
  readonly interleaving: Interleaving;
  readonly process: ActorProcess;
  readonly actor: Actor;
}

const running = new AsyncLocalStorage<Context>();

/**
 * From now on the timers that actors set are steps, and no time passes; everybody else's are as ever.
 *
 * @returns what gives the timers back
 */
export function takeOverTimers(): () => void {
  const { setTimeout, setInterval, clearTimeout, clearInterval } = globalThis;
  const sleep = timersPromises.setTimeout;

  Object.assign(globalThis, {
    setTimeout: ours('timer', setTimeout),
    setInterval: ours('interval', setInterval),
    clearTimeout: (timer: unknown) => clear(timer, clearTimeout),
    clearInterval: (timer: unknown) => clear(timer, clearInterval),
  });
  timersPromises.setTimeout = function sleepOrStep<Value>(ms?: number, value?: Value, options?: object) {
    if (running.getStore() === undefined) return sleep(ms, value, options);
    return new Promise<Value>((resolve) => globalThis.setTimeout(resolve, ms, value as Value));
  };

  return function giveBack() {
    Object.assign(globalThis, { setTimeout, setInterval, clearTimeout, clearInterval });
    timersPromises.setTimeout = sleep;
  };
}

/** What an actor gets for a timer. */
class StepTimer {
  readonly callOff: () => void;

  constructor(callOff: () => void) {
    this.callOff = callOff;
  }

  unref(): this {
    return this;
  }
}

type Callback = (...args: unknown[]) => void;

function ours(
  kind: 'timer' | 'interval',
  real: (callback: Callback, ms?: number, ...args: unknown[]) => unknown,
) {
  return function setTimer(callback: Callback, ms = 0, ...args: unknown[]) {
    const context = running.getStore();
    if (context === undefined) return real(callback, ms, ...args);
    const goOff = () => running.run(context, () => callback(...args));
    return new StepTimer(context.interleaving.addTimer(context.process, kind, ms, goOff));
  };
}

function clear(timer: unknown, real: (timer: never) => void): void {
  if (timer instanceof StepTimer) timer.callOff();
  else real(timer as never);
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function nothing(): Promise<void> {}
