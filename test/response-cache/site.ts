// A site behind the cache, and a look at what the cache did.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import express, { type RequestHandler } from 'express';
import {
  type ResponseCache,
  type ResponseCacheOptions,
  responseCache,
} from 'express-redis-suite/response-cache';
import type { ResponseCacheEvent } from '../../lib/core/channels.js';
import { onTestEnd } from '../support/cleanup.js';
import { type Served, serve } from '../support/http.js';

export interface Site extends Served {
  /** How often the handler ran. */
  readonly runs: { count: number };
  purge(url: string): Promise<void>;
  readonly cache: ResponseCache;
}

/** What is tested is not how busy this machine is. */
const UNHURRIED: ResponseCacheOptions = { deadlineMs: 5_000 };

type Handler = (req: IncomingMessage, res: ServerResponse, run: number) => unknown;

/** An Express app: the cache, then the handler for every method and path. */
export async function expressSite(
  options: ResponseCacheOptions,
  handler: Handler,
  before: RequestHandler[] = [],
  after: RequestHandler[] = [],
): Promise<Site> {
  const app = express();
  const cache = responseCache({ ...UNHURRIED, ...options });
  const runs = { count: 0 };
  for (const middleware of before) app.use(middleware);
  app.use(cache);
  for (const middleware of after) app.use(middleware);
  app.use((req, res, next) => {
    runs.count += 1;
    // As Express 5 does by itself, and handlers under Express 4 have to.
    Promise.resolve(handler(req, res, runs.count)).catch(next);
  });
  return { ...(await serve(app)), runs, purge: cache.purge, cache };
}

/** The same without Express. */
export async function plainSite(options: ResponseCacheOptions, handler: Handler): Promise<Site> {
  const cache = responseCache({ ...UNHURRIED, ...options });
  const runs = { count: 0 };
  const served = await serve((req, res) => {
    cache(req, res, (error) => {
      if (error !== undefined) return void res.writeHead(500).end(String(error));
      runs.count += 1;
      handler(req, res, runs.count);
    });
  });
  return { ...served, runs, purge: cache.purge, cache };
}

/** What the cache says of its requests from now on, in order. */
export function watch(): { readonly events: ResponseCacheEvent[]; next(count?: number): Promise<void> } {
  const events: ResponseCacheEvent[] = [];
  const listeners = new Set<() => void>();
  function hear(event: unknown) {
    events.push(event as ResponseCacheEvent);
    for (const listener of listeners) listener();
  }
  subscribe('express-redis-suite:response-cache', hear);
  onTestEnd(() => unsubscribe('express-redis-suite:response-cache', hear));
  return {
    events,
    /** Resolves when `count` requests in all are settled, stored or not. */
    next: (count = events.length + 1) =>
      new Promise((resolve) => {
        function look() {
          if (events.length < count) return;
          listeners.delete(look);
          resolve();
        }
        listeners.add(look);
        look();
      }),
  };
}

export const isHit = (reply: { headers: Record<string, unknown> }): boolean =>
  /(?:^|; )hit(?:;|$)/.test(String(reply.headers['cache-status']));
