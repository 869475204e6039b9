/** Limits how much of an app one client may use: express-rate-limit's middleware over an exact sliding window. */
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { rateLimitChannel } from '../core/channels.js';
import { failureOf, RETRY_AFTER_S } from '../core/errors.js';
import { shareShape } from '../core/one-shape.js';
import { isRevalidation } from '../core/revalidation.js';
import { checkCost, checkLimit } from './checks.js';
import { giveBackAfter, watchOutcome } from './giving-back.js';
import {
  draftFields,
  hasPolicyNames,
  isDraft,
  legacyFields,
  retryAfterSeconds,
  writeFields,
} from './headers.js';
import { informationOf } from './information.js';
import { createLimiter, type RateLimitDecision } from './limiter.js';
import { sayProcessesAreAlone } from './notice.js';
import type { Options, RateLimitInfo, RateLimitOptions } from './options.js';
import { createQuota, type Quota } from './quota.js';
import { answerOf, sendRejection } from './rejection.js';
import { resolveOptions } from './resolve-options.js';

/** express-rate-limit's handler, and the limiter without HTTP. */
export type RateLimiter = RequestHandler & Quota;

/**
 * Makes a rate limiter. With `client` all processes on one Redis share the window; without, this process has its own.
 *
 * @throws SuiteError ERS_INVALID_OPTION, ERS_INVALID_CLIENT, or ERS_NAME_IN_USE when another limiter of this name on
 * this client has another window.
 */
export function rateLimit(passed?: RateLimitOptions): RateLimiter {
  const options = resolveOptions(passed ?? {});
  const limiter = createLimiter(options);
  const optionsUsed = options as unknown as Options;
  const givesBack = options.skipFailedRequests || options.skipSuccessfulRequests;
  options.validations.checkCreation();
  sayProcessesAreAlone(options);

  function rateLimitMiddleware(req: Request, res: Response, next: NextFunction): Promise<void> | void {
    if (isRevalidation(req)) return next();
    shareShape(req, res);
    return mayPass(req, res, next)
      .then(function passOn(isAllowed) {
        if (isAllowed) next();
      })
      .catch((error) => next(failureOf(error)));
  }

  async function mayPass(req: Request, res: Response, next: NextFunction): Promise<boolean> {
    const ending = givesBack ? watchOutcome(res) : undefined;
    if (await options.skip(req, res)) return publishSkip(options.name);

    const key = String(await options.keyGenerator(req, res));
    const limit = checkLimit(isFixed(options.limit) ? options.limit : await options.limit(req, res));
    const cost = checkCost(isFixed(options.cost) ? options.cost : await options.cost(req, res));
    options.validations.checkSingleCount(req, limiter.scope, key);
    options.validations.checkLimit(limit);

    const decision = await limiter.take({ key, limit, cost });
    const info = informationOf(decision, key, options.countRejected ? 0 : cost);
    (req as unknown as Record<string, RateLimitInfo>)[options.requestPropertyName] = info;
    if (decision.source === 'policy') return decision.isAllowed || options.dryRun || refuse(req, res);

    if (!options.dryRun) await writeHeaders(req, res, info);
    const { token } = decision;
    if (ending !== undefined && token !== undefined)
      giveBackAfter(ending, options, req, res, () => limiter.refund(token));
    if (decision.isAllowed || options.dryRun) return true;

    await writeRetryAfter(req, res, decision);
    await options.handler(req, res, next, optionsUsed);
    return false;
  }

  async function writeHeaders(req: Request, res: Response, info: RateLimitInfo): Promise<void> {
    const { legacyHeaders, standardHeaders, validations, policies } = options;
    if (legacyHeaders) writeFields(res, legacyFields(info, new Date()));
    if (!standardHeaders) return;
    const tightest = policies.find((policy) => policy.name === info.policy) ?? options;
    const facts = { ...info, windowMs: tightest.windowMs, policies };
    validations.checkDraft(standardHeaders);
    if (!isDraft(standardHeaders)) return;
    if (standardHeaders !== 'draft-6') validations.checkResetTime(info.resetTime);
    const isNamed = hasPolicyNames(standardHeaders) && info.policy === undefined;
    const policy = isNamed ? await determine(options.identifier, req, res) : (info.policy ?? '');
    writeFields(res, draftFields(standardHeaders, facts, new Date(), policy));
  }

  async function writeRetryAfter(req: Request, res: Response, { retryAfterMs }: RateLimitDecision) {
    if (!options.legacyHeaders && !options.standardHeaders) return;
    const chosen = await determine(options.retryAfter, req, res);
    const seconds = chosen ?? retryAfterSeconds(retryAfterMs, options.windowMs);
    writeFields(res, [{ name: 'Retry-After', value: String(seconds) }]);
  }

  return Object.assign(rateLimitMiddleware as RequestHandler, createQuota(limiter, options));
}

/** Most are, and a promise for a number is not free. */
function isFixed(option: unknown): option is number {
  return typeof option === 'number';
}

type Determined<T> = T | ((request: Request, response: Response) => T | Promise<T>);

function determine<T extends string | number | undefined>(
  given: Determined<T>,
  req: Request,
  res: Response,
): T | Promise<T> {
  return typeof given === 'function' ? given(req, res) : given;
}

/** Not 429: the client did nothing wrong. */
function refuse(req: Request, res: Response): false {
  writeFields(res, [{ name: 'Retry-After', value: RETRY_AFTER_S }]);
  sendRejection(req, res, 503, answerOf('Service unavailable, please try again later.'));
  return false;
}

function publishSkip(name: string): true {
  if (rateLimitChannel.hasSubscribers)
    rateLimitChannel.publish({ name, decision: 'skip', source: 'policy', durationMs: 0 });
  return true;
}
