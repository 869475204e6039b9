/** The handler of rejections that is used when the user has none: `message` with `statusCode`. */
import type { NextFunction, Request, Response } from 'express';
import type { RateLimitExceededEventHandler } from './options.js';
import { PROBLEM, prefersProblem, quotaExceeded } from './problem.js';
import { type Answer, answerOf, sendRejection } from './rejection.js';

interface Rejection {
  /** Undefined when the user has none. */
  readonly message: unknown;
  readonly statusCode: number;
  /** What the header fields call the window that rejected. */
  policyOf(request: Request, response: Response): string | Promise<string>;
}

export const DEFAULT_MESSAGE = 'Too many requests, please try again later.';

export function rejectWith({ message, statusCode, policyOf }: Rejection): RateLimitExceededEventHandler {
  const isDefault = message === undefined;
  const given = isDefault ? DEFAULT_MESSAGE : message;
  // The same for all, whatever the settings of the app.
  const ready = typeof given === 'string' ? answerOf(given) : undefined;

  return async function reject(request: Request, response: Response, _next: NextFunction): Promise<void> {
    if (isStandIn(response)) return sendByExpress(request, response);
    if (isDefault && !response.headersSent) varyByAccept(response);
    const isProblem = isDefault && prefersProblem(request.headers?.accept);
    const answer = ready !== undefined && !isProblem ? ready : await makeAnswer(request, response, isProblem);
    sendRejection(request, response, statusCode, answer);
  };

  async function makeAnswer(request: Request, response: Response, isProblem: boolean): Promise<Answer> {
    if (isProblem) {
      const policy = await policyOf(request, response);
      return answerOf(quotaExceeded(statusCode, policy), request.app, PROBLEM);
    }
    return answerOf(await messageFor(request, response), request.app);
  }

  async function sendByExpress(request: Request, response: Response): Promise<void> {
    response.status(statusCode);
    response.send(await messageFor(request, response));
  }

  function messageFor(request: Request, response: Response): unknown {
    return typeof given === 'function' ? given(request, response) : given;
  }
}

function varyByAccept(response: Response): void {
  if (response.hasHeader('Vary')) response.appendHeader('Vary', 'Accept');
  else response.setHeader('Vary', 'Accept');
}

/** Of a unit test: it has the methods of Express that its author knew of, and hardly those of node:http. */
function isStandIn(response: Response): boolean {
  return typeof response.hasHeader !== 'function';
}
