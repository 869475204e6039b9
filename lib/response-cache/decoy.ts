/** Keeps the connection of a handler that closes it: its response can still be answered otherwise, or has not left yet. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { beforeHeadLeaves } from './departure.js';
import { fieldsOf, resetHeaders } from './fields.js';
import { sendGatewayTimeout } from './serve.js';

const CLOSING: ReadonlySet<PropertyKey> = new Set(['destroy', 'destroySoon', 'resetAndDestroy']);

/** `onGivenUp` hears once instead. Returns what puts everything back. */
export function decoySocket(res: ServerResponse, onGivenUp: () => void): () => void {
  const { socket, destroy } = res;
  // A response that waits for its turn on the connection has none yet.
  if (socket === null) return () => {};
  let isOver = false;

  function giveUp<Self>(this: Self): Self {
    if (!isOver) {
      putBack();
      onGivenUp();
    }
    return this;
  }

  const decoy = decoyOf(socket, giveUp);
  setSocket(res, decoy);
  res.destroy = giveUp as typeof res.destroy;

  function putBack(): void {
    isOver = true;
    if (res.socket === decoy) setSocket(res, socket!);
    if (res.destroy === giveUp) res.destroy = destroy;
  }
  return putBack;
}

/**
 * Express closes the connection of a request whose handler fails after its answer: `later` is given that to do, for an
 * answer that is held back has not left. Returns what puts everything back.
 */
export function closeLater(req: IncomingMessage, later: (close: () => void) => void): () => void {
  const { socket } = req;
  const decoy = decoyOf(socket, function putOff() {
    later(() => void socket.destroy());
    return socket;
  });
  req.socket = decoy;

  return function putBack() {
    if (req.socket === decoy) req.socket = socket;
  };
}

function decoyOf(socket: Socket, close: () => unknown): Socket {
  return new Proxy(socket, {
    get(target, name) {
      if (CLOSING.has(name)) return close;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}

/** A handler that closes the connection with nothing sent is answered for: 504, as a gateway does. */
export function answerHangUp(res: ServerResponse): void {
  const before = fieldsOf(res);
  const putBack = decoySocket(res, function answer() {
    resetHeaders(res, before);
    sendGatewayTimeout(res);
    silence(res);
  });
  beforeHeadLeaves(res, putBack);
}

/** For a response that has been answered: whatever its handler still sends goes nowhere, and is no error. */
export function silence(res: ServerResponse): void {
  const mute = () => res;
  Object.assign(res, { writeHead: mute, write: () => false, end: mute, flushHeaders: mute });
}

/** Typed as read-only, but node itself sets it. */
function setSocket(res: ServerResponse, socket: Socket): void {
  (res as { socket: Socket | null }).socket = socket;
}
