/** A request without a client: an app gets it as it gets all others, and what it answers goes nowhere. */
import { IncomingMessage, ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import { REVALIDATION } from '../core/revalidation.js';

export interface SyntheticRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly remoteAddress: string | undefined;
  readonly isEncrypted: boolean;
  /** What the mark on the request carries. */
  readonly mark: object;
}

/** An Express app, or whatever else is called with a request and its response. */
export type App = (req: IncomingMessage, res: ServerResponse) => unknown;

export interface Synthetic {
  /** As if the client hung up. */
  abort(): void;
}

/**
 * Calls `app`; `onEnd` hears when it has answered or is aborted.
 *
 * These are node's own classes on a socket of ours. `light-my-request` would do it too, but for all requests of an
 * Express app that it is handed, and of all other apps in the process, it changes the prototypes.
 */
export function dispatch(app: App, request: SyntheticRequest, onEnd: () => void): Synthetic {
  const { url, headers, remoteAddress, isEncrypted, mark } = request;
  const socket = Object.assign(new Nowhere(), { remoteAddress, encrypted: isEncrypted });
  const req = Object.assign(new IncomingMessage(socket as never), {
    method: 'GET',
    url,
    httpVersion: '1.1',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    headers,
    rawHeaders: Object.entries(headers).flat(),
    complete: true,
    [REVALIDATION]: mark,
  });
  req.push(null);
  const res = new ServerResponse(req);
  res.assignSocket(socket as never);
  const abort = () => void socket.destroy();
  // What listens for errors of a request or response is the app's business; nobody is here to read them.
  for (const emitter of [socket, req, res]) emitter.on('error', abort);
  // As a server does for its responses: pipes wait for it.
  socket.on('drain', () => res.emit('drain'));
  res.once('finish', abort);
  socket.once('close', onEnd);
  try {
    app(req, res);
  } catch {
    abort();
  }
  return { abort };
}

class Nowhere extends Duplex {
  override _read(): void {}

  override _write(_bytes: unknown, _encoding: unknown, callback: () => void): void {
    callback();
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  destroySoon(): void {
    this.destroy();
  }
}

interface Mounted {
  readonly parent?: Mounted;
}

/** The app that a request came to first, of all that are mounted in one another; undefined outside of Express. */
export function outermostApp({ app }: { readonly app?: object }): App | undefined {
  let outermost = app as Mounted | undefined;
  while (outermost?.parent !== undefined) outermost = outermost.parent;
  return typeof outermost === 'function' ? (outermost as App) : undefined;
}
