// An answer to an unsafe request waits until the pages are gone: what its handler does meanwhile, right or wrong, comes out as
// it would without a cache.
import { describe, expect, it } from '@jest/globals';
import type { RequestHandler, Response } from 'express';
import { responseCache } from 'express-redis-suite/response-cache';
import { answerTo, carelessHandlers } from '../support/careless-handlers.js';
import { connect, uniqueNamespace } from '../support/redis.js';

const cache = async () => responseCache({ client: await connect(), namespace: uniqueNamespace() });

describe('a handler of a POST', () => {
  it.each(carelessHandlers)('that %s', async (_name, handler) => {
    expect(await answerTo(handler, [await cache()])).toEqual(await answerTo(handler, []));
  });
});

describe('a middleware before the cache that throws when the head leaves', () => {
  it('ends the connection, and nothing else', async () => {
    const failing: RequestHandler = (_req, res, next) => {
      res.writeHead = () => {
        throw new Error('oops');
      };
      next();
    };
    const send = (res: Response) => res.send('done');
    expect(await answerTo(send, [failing, await cache()])).toEqual(['broken off']);
    expect(await answerTo(send, [await cache()])).toContain('done');
  });
});
