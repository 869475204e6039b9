/** What happens, as server-sent events, to browsers that keep up. */
import { createChannel, createEventBuffer, createSession } from 'better-sse';
import type { Request, RequestHandler, Response } from 'express';
import { HttpError } from '../routes/errors.js';

/** Where events come from. */
export interface Source {
  follow(onEvent: (event: { readonly kind: string }) => void, onEnd?: () => void): void;
}

export interface StreamLimits {
  /** Browsers that one process serves at a time; the next one gets 503. Default 200. */
  readonly maxStreams?: number;
  /** Bytes that may wait for a browser that does not read; then its stream is cut. Default 65,536. */
  readonly maxWaitingBytes?: number;
  /** How often all streams get a comment, in milliseconds: proxies cut connections that are silent. Default 15,000. */
  readonly heartbeatMs?: number;
}

interface StreamState extends Record<string, unknown> {
  readonly res: Response;
}

const RETRY_AFTER_SECONDS = 5;

/** Streams end when their source does, so that a server that is told to stop does not wait for its browsers. */
export function streamEvents(source: Source, limits: StreamLimits = {}): RequestHandler {
  const { maxStreams = 200, maxWaitingBytes = 65_536, heartbeatMs = 15_000 } = limits;
  const channel = createChannel<Record<string, unknown>, StreamState>();
  const comment = createEventBuffer().comment().dispatch();
  let open = 0;
  let isOver = false;

  const heartbeat = setInterval(function beat() {
    for (const session of channel.activeSessions) session.batch(comment).catch(() => {});
    cutSlowReaders();
  }, heartbeatMs).unref();

  source.follow(
    function send(event) {
      channel.broadcast(event, event.kind);
      cutSlowReaders();
    },
    function endAll() {
      isOver = true;
      clearInterval(heartbeat);
      for (const session of channel.activeSessions) {
        channel.deregister(session);
        session.state.res.end();
      }
    },
  );

  /** Its EventSource comes back by itself, to what is new by then. */
  function cutSlowReaders() {
    for (const session of channel.activeSessions) {
      if (session.state.res.writableLength > maxWaitingBytes) session.state.res.destroy();
    }
  }

  return async function openStream(req: Request, res: Response) {
    if (!URL.canParse(`http://${req.get('host')}${req.url}`))
      throw new HttpError(400, 'is not a host', 'host');
    if (req.method === 'HEAD') return void res.type('text/event-stream').end();
    if (open >= maxStreams || isOver) {
      res.set('Retry-After', String(RETRY_AFTER_SECONDS));
      throw new HttpError(503, 'this process serves no more streams: try again in a moment');
    }
    open += 1;
    res.once('close', () => {
      open -= 1;
    });
    // What is written to a browser that has just left is nobody's loss.
    res.on('error', () => {});
    // A heartbeat of its own would go on for ever if the browser left before the first byte.
    const session = await createSession<StreamState>(req, res, { keepAlive: null, state: { res } });
    if (isOver) res.end();
    else if (!res.destroyed) channel.register(session);
  };
}
