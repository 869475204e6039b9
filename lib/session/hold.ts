/** Keeps a response back while its session is being saved: no status line leaves ahead of it. */
import type { ServerResponse } from 'node:http';
import { closeLater } from '../core/close-later.js';

/** What decides about one response. */
export interface Gate {
  /** Whether something has to be done before the response may begin, or end. */
  mustWait(): boolean;
  /** Does it. */
  settle(): Promise<void>;
  /** It failed. The response is dropped; the gate answers instead, or ends the connection when `hasBegun`. */
  giveUp(error: unknown, hasBegun: boolean): void;
  /** The head is about to leave through express-session, which may set its cookie. */
  beforeHead?(args: unknown[]): void;
  /** It has left, or node refused it. */
  afterHead?(): void;
}

/** The methods through which a response leaves. */
export type Exits = Record<'writeHead' | 'flushHeaders' | 'write' | 'end', Exit>;

/** A session may change while it is saved, and again; one that never looks the same twice must not hold for ever. */
const MAX_WAITS = 5;

interface Call {
  readonly exit: keyof Exits;
  readonly args: unknown[];
}

type Exit = (...args: unknown[]) => unknown;

/** What node goes by to tell whether a head is written, and a response ended. */
type Progress = { _header: string | null; finished: boolean };

/**
 * One exit as it is now.
 *
 * Express gives each response another prototype, after which V8 (in Node 20 and 22) takes no two of them for the same
 * shape: a plain property access then costs a microsecond and garbage each time, `Reflect.get` a fraction of that.
 */
export function exitOf(res: object, exit: keyof Exits): Exit {
  return Reflect.get(res, exit) as Exit;
}

/** The exits as they are now, to go back to with `Object.assign(res, exits)`. */
export function exitsOf(res: ServerResponse): Exits {
  return {
    writeHead: exitOf(res, 'writeHead'),
    flushHeaders: exitOf(res, 'flushHeaders'),
    write: exitOf(res, 'write'),
    end: exitOf(res, 'end'),
  };
}

/**
 * Puts the gate before the exits of `res`. While it is shut, calls are kept and made later in their order.
 *
 * @param bare the exits that what follows a failure takes, past express-session: no cookie is set, nothing is saved.
 * @param open the exits that a response takes as long as nothing fails.
 */
export function holdResponse(res: ServerResponse, bare: Exits, open: Exits, gate: Gate): void {
  const hold = new Hold(res, bare, open, gate);
  const exits = res as unknown as Exits;
  exits.writeHead = (...args) => hold.accept('writeHead', args);
  exits.flushHeaders = (...args) => hold.accept('flushHeaders', args);
  exits.write = (...args) => hold.accept('write', args);
  exits.end = (...args) => hold.accept('end', args);
}

/** A class, not closures: it is made for every request, and most responses just pass. */
class Hold {
  readonly #res: ServerResponse;
  readonly #bare: Exits;
  readonly #open: Exits;
  readonly #gate: Gate;
  #held: Call[] | undefined;
  /** Closes the connection, where somebody wanted to while the response was held. */
  #close: (() => void) | undefined;
  #phase: 'open' | 'held' | 'passed' | 'dropped' = 'open';
  #hasBegun = false;
  #owesDrain = false;
  #waits = 0;

  constructor(res: ServerResponse, bare: Exits, open: Exits, gate: Gate) {
    this.#res = res;
    this.#bare = bare;
    this.#open = open;
    this.#gate = gate;
  }

  accept(exit: keyof Exits, args: unknown[]): unknown {
    if (this.#phase === 'dropped') return this.#acceptDropped(exit, args);
    if (this.#phase === 'open' && this.#mustHold(exit)) this.#hold();
    return this.#phase === 'held' ? this.#keep({ exit, args }) : this.#pass(exit, args);
  }

  #acceptDropped(exit: keyof Exits, args: unknown[]): unknown {
    const isOver = this.#res.writableEnded || this.#res.destroyed;
    return isOver ? this.#ignore({ exit, args }) : this.#bare[exit].apply(this.#res, args);
  }

  /** Once the first byte has left, what changes is saved at the end, which is worth another wait. */
  #mustHold(exit: keyof Exits): boolean {
    if ((this.#hasBegun && exit !== 'end') || this.#waits === MAX_WAITS) return false;
    try {
      return this.#gate.mustWait();
    } catch {
      // A session that cannot be looked at cannot be saved either: `settle` will say why.
      return true;
    }
  }

  #pass(exit: keyof Exits, args: unknown[]): unknown {
    if (exit === 'writeHead') return this.#passHead(args);
    // Before the call, which may come back through `writeHead`.
    this.#hasBegun = true;
    if (exit === 'end') this.#phase = 'passed';
    return this.#open[exit].apply(this.#res, args);
  }

  #passHead(args: unknown[]): unknown {
    this.#gate.beforeHead?.(args);
    try {
      return this.#open.writeHead.apply(this.#res, args);
    } finally {
      this.#gate.afterHead?.();
    }
  }

  #hold(): void {
    this.#phase = 'held';
    this.#held ??= [];
    this.#waits += 1;
    const res = this.#res;
    const progress = res as unknown as Progress;
    const { statusCode, statusMessage } = res;
    const { _header } = progress;
    // Whoever asks, an error handler for one, must not begin a second response, nor add to the head of this one.
    progress._header ??= 'held back';
    const putBack = closeLater(res.req, (close) => {
      this.#close = close;
    });
    const unmask = () => {
      putBack();
      Object.assign(progress, { _header, finished: false });
    };
    this.#settle().then(
      () => {
        unmask();
        res.statusCode = statusCode;
        if (statusMessage) res.statusMessage = statusMessage;
        this.#release();
      },
      (error: unknown) => {
        unmask();
        this.#drop(error);
      },
    );
  }

  async #settle(): Promise<void> {
    await this.#gate.settle();
  }

  #keep(call: Call): unknown {
    const held = this.#held as Call[];
    // Implied headers make node ask for them again with every write.
    const isRepeated = call.exit === 'writeHead' && held.length > 0;
    if (!isRepeated) held.push(call);
    if (call.exit === 'write') this.#owesDrain = true;
    if (call.exit === 'end') (this.#res as unknown as Progress).finished = true;
    return call.exit === 'write' ? false : this.#res;
  }

  #release(): void {
    const res = this.#res;
    const held = this.#held as Call[];
    this.#phase = 'open';
    let isFlowing = true;
    for (let call = held.shift(); call !== undefined; call = held.shift()) {
      if (this.#phase === 'open' && this.#mustHold(call.exit)) {
        held.unshift(call);
        this.#hold();
        return;
      }
      try {
        const result = this.#pass(call.exit, call.args);
        if (call.exit === 'write') isFlowing = result !== false;
      } catch (error) {
        // A header that node refuses: its handler would have caught this, had it not been held.
        this.#drop(error);
        return;
      }
    }
    if (this.#owesDrain && isFlowing && !res.writableEnded) process.nextTick(() => res.emit('drain'));
    this.#owesDrain = false;
    this.#close?.();
  }

  #drop(error: unknown): void {
    this.#phase = 'dropped';
    for (const call of (this.#held ?? []).splice(0)) this.#ignore(call);
    this.#gate.giveUp(error, this.#res.headersSent);
  }

  /** Nobody gets to see what was written; whoever waits for its callback goes on. */
  #ignore({ exit, args }: Call): unknown {
    const callback = args.at(-1);
    if (typeof callback === 'function') process.nextTick(callback as () => void);
    return exit === 'write' ? true : this.#res;
  }
}
