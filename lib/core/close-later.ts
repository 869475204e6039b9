/** A connection in whose place a handler may be given another one, which does not close when it is told to. */
import type { Socket } from 'node:net';

const CLOSING: ReadonlySet<PropertyKey> = new Set(['destroy', 'destroySoon', 'resetAndDestroy']);

/**
 * Express closes the connection of a request whose handler fails after its answer: `later` is given that to do, for an
 * answer that is held back has not left. Returns what puts everything back.
 */
export function closeLater(
  req: { socket: Socket } | undefined,
  later: (close: () => void) => void,
): () => void {
  const socket = req?.socket;
  // What a unit test has in their place may have neither.
  if (req === undefined || socket === undefined) return () => {};
  const decoy = decoyOf(socket, function putOff() {
    later(() => void req.socket.destroy());
    return socket;
  });
  req.socket = decoy;

  return function putBack() {
    if (req.socket === decoy) req.socket = socket;
  };
}

/** The same connection, but that `close` is called in place of what closes it. */
export function decoyOf(socket: Socket, close: () => unknown): Socket {
  return new Proxy(socket, {
    get(target, name) {
      if (CLOSING.has(name)) return close;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}
