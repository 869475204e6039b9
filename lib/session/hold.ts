/** Keeps a response back while its session is being saved: no status line leaves ahead of it. */
import type { ServerResponse } from 'node:http';

/** What decides about one response. */
export interface Gate {
  /** Whether something has to be done before the response may begin, or end. */
  mustWait(): boolean;
  /** Does it. */
  settle(): Promise<void>;
  /** It failed. The response is dropped; the gate answers instead, or ends the connection when `hasBegun`. */
  giveUp(error: unknown, hasBegun: boolean): void;
}

/** The methods through which a response leaves. */
export type Exits = Record<(typeof EXITS)[number], (...args: unknown[]) => unknown>;

const EXITS = ['writeHead', 'flushHeaders', 'write', 'end'] as const;

/** A session may change while it is saved, and again; one that never looks the same twice must not hold for ever. */
const MAX_WAITS = 5;

interface Call {
  readonly exit: keyof Exits;
  readonly args: readonly unknown[];
}

/** The exits as they are now, to go back to with `Object.assign(res, exits)`. */
export function exitsOf(res: ServerResponse): Exits {
  const { writeHead, flushHeaders, write, end } = res as unknown as Exits;
  return { writeHead, flushHeaders, write, end };
}

/**
 * Puts the gate before the exits of `res`. While it is shut, calls are kept and made later in their order.
 *
 * @param bare the exits that what follows a failure takes, past express-session: no cookie is set, nothing is saved.
 */
export function holdResponse(res: ServerResponse, bare: Exits, gate: Gate): void {
  const open = exitsOf(res);
  const held: Call[] = [];
  let phase: 'open' | 'held' | 'passed' | 'dropped' = 'open';
  let hasBegun = false;
  let owesDrain = false;
  let waits = 0;
  for (const exit of EXITS) (res as unknown as Exits)[exit] = (...args) => accept({ exit, args });

  function accept(call: Call): unknown {
    if (phase === 'dropped') return res.writableEnded || res.destroyed ? ignore(call) : leave(bare, call);
    if (phase === 'open' && mustHold(call)) hold();
    return phase === 'held' ? keep(call) : pass(call);
  }

  /** Once the first byte has left, what changes is saved at the end, which is worth another wait. */
  function mustHold({ exit }: Call): boolean {
    if ((hasBegun && exit !== 'end') || waits === MAX_WAITS) return false;
    try {
      return gate.mustWait();
    } catch {
      // A session that cannot be looked at cannot be saved either: `settle` will say why.
      return true;
    }
  }

  function pass(call: Call): unknown {
    // Before the call, which may come back through `writeHead`.
    if (call.exit !== 'writeHead') hasBegun = true;
    if (call.exit === 'end') phase = 'passed';
    return leave(open, call);
  }

  function leave(exits: Exits, { exit, args }: Call): unknown {
    return exits[exit].apply(res, args as unknown[]);
  }

  function hold() {
    phase = 'held';
    waits += 1;
    const { statusCode, statusMessage } = res;
    // Whoever asks, an error handler for one, must not begin a second response.
    Object.defineProperty(res, 'headersSent', { configurable: true, get: () => true });
    const unmask = () => delete (res as { headersSent?: boolean }).headersSent;
    callSettle().then(
      function settled() {
        unmask();
        res.statusCode = statusCode;
        if (statusMessage) res.statusMessage = statusMessage;
        release();
      },
      function failed(error: unknown) {
        unmask();
        drop(error);
      },
    );
  }

  async function callSettle(): Promise<void> {
    await gate.settle();
  }

  function keep(call: Call): unknown {
    // Implied headers make node ask for them again with every write.
    const isRepeated = call.exit === 'writeHead' && held.length > 0;
    if (!isRepeated) held.push(call);
    if (call.exit === 'write') owesDrain = true;
    return call.exit === 'write' ? false : res;
  }

  function release() {
    phase = 'open';
    let isFlowing = true;
    for (let call = held.shift(); call !== undefined; call = held.shift()) {
      if (phase === 'open' && mustHold(call)) {
        held.unshift(call);
        return hold();
      }
      try {
        const result = pass(call);
        if (call.exit === 'write') isFlowing = result !== false;
      } catch (error) {
        // A header that node refuses: its handler would have caught this, had it not been held.
        return drop(error);
      }
    }
    if (owesDrain && isFlowing && !res.writableEnded) process.nextTick(() => res.emit('drain'));
    owesDrain = false;
  }

  function drop(error: unknown): void {
    phase = 'dropped';
    for (const call of held.splice(0)) ignore(call);
    gate.giveUp(error, res.headersSent);
  }

  /** Nobody gets to see what was written; whoever waits for its callback goes on. */
  function ignore({ exit, args }: Call): unknown {
    const callback = args.at(-1);
    if (typeof callback === 'function') process.nextTick(callback as () => void);
    return exit === 'write' ? true : res;
  }
}
