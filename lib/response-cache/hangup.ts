/** Tells when a client is gone. Node says nothing of it on a response that still waits for its turn on the connection. */
import type { Socket } from 'node:net';

/** One listener per connection, however many requests are in its pipeline. */
const actsOf = new WeakMap<Socket, Set<() => void>>();

/** Calls `act` when the connection closes, unless what it returns was called before. */
export function onHangUp(socket: Socket, act: () => void): () => void {
  const acts = actsOf.get(socket) ?? listenTo(socket);
  acts.add(act);
  return () => void acts.delete(act);
}

function listenTo(socket: Socket): Set<() => void> {
  const acts = new Set<() => void>();
  actsOf.set(socket, acts);
  socket.once('close', () => {
    for (const act of [...acts]) act();
  });
  return acts;
}
