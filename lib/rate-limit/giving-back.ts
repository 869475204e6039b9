/** Gives a request back when it ended in a way that does not count: `skipFailedRequests`, `skipSuccessfulRequests`. */
import type { ServerResponse } from 'node:http';
import type { Request, Response } from 'express';
import type { ResolvedOptions } from './resolve-options.js';

/** `finished`: handed over whole. `aborted`: the connection went before the handler was done. `failed`: an error event. */
type Outcome = 'finished' | 'aborted' | 'failed';

/** Look early: a client may be gone before the limiter has decided. */
export function watchOutcome(res: ServerResponse): Promise<Outcome> {
  return new Promise((resolve) => {
    // A stand-in of a unit test has no end.
    if (typeof res.once !== 'function') return;
    if (res.closed && !res.writableEnded) return resolve('aborted');
    res.once('finish', () => resolve('finished'));
    res.once('error', () => resolve('failed'));
    res.once('close', function closed() {
      if (!res.writableEnded) resolve('aborted');
    });
  });
}

/** Nobody waits for this any more: whatever goes wrong is logged, and what a logger throws is lost. */
export function giveBackAfter(
  ending: Promise<Outcome>,
  options: ResolvedOptions,
  req: Request,
  res: Response,
  refund: () => Promise<unknown>,
): void {
  ending
    .then(async function giveBack(outcome) {
      if (await isGivenBack(outcome, options, req, res)) await refund();
    })
    .catch((error) => options.logger.error(error, 'rate-limit: a request could not be given back.'))
    .catch(() => {});
}

async function isGivenBack(outcome: Outcome, options: ResolvedOptions, req: Request, res: Response) {
  if (outcome !== 'finished') return options.skipFailedRequests;
  const isSuccess = await options.requestWasSuccessful(req, res);
  return isSuccess ? options.skipSuccessfulRequests : options.skipFailedRequests;
}
