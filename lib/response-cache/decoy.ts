/** Keeps the connection of a handler that gives up by closing it: its response can still be answered otherwise. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { decoyOf } from '../core/close-later.js';
import { beforeHeadLeaves } from './departure.js';
import { fieldsOf, resetHeaders } from './fields.js';
import { sendGatewayTimeout } from './serve.js';

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
