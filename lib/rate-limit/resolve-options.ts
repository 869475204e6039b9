/** What a user passed, checked and completed. */
import type { Request, Response } from 'express';
import { invalidOption } from '../core/errors.js';
import {
  checkCost,
  checkLimit,
  checkLogger,
  checkName,
  checkNumber,
  checkPolicy,
  checkWhole,
  checkWindow,
} from './checks.js';
import { addressOf, cleanAddress, keyOfAddress } from './client-key.js';
import { DEFAULT_MESSAGE, rejectWith } from './default-handler.js';
import type { DraftVersion, Logger, Options, RateLimitInfo, RateLimitOptions } from './options.js';
import { nameOf, type Policy, policiesOf, policyName } from './policies.js';
import { Validations } from './validations.js';

type Needed = Required<
  Pick<Options, 'name' | 'cost' | 'onRedisDown' | 'expectedProcesses' | 'deadlineMs' | 'countRejected'> &
    Pick<Options, 'resolution' | 'blockMs' | 'dryRun'>
>;

/** All options with a value; those without one are off. */
export type ResolvedOptions = Omit<Options, keyof Needed | 'standardHeaders' | 'store' | 'limits'> &
  Needed & {
    readonly standardHeaders: false | DraftVersion;
    /** Several windows, the longest first; none when there is but `windowMs` and `limit`. */
    readonly policies: readonly Policy[];
    readonly store: Options['store'] | undefined;
    readonly validations: Validations;
    /** Somebody chose the name, and so whom to share hits with. */
    readonly isNamed: boolean;
  };

/** @throws SuiteError ERS_INVALID_OPTION for what cannot mean anything; what only looks wrong is logged. */
export function resolveOptions(passed: RateLimitOptions): ResolvedOptions {
  const given = withoutUndefined(passed);
  const logger = checkLogger(given.logger ?? consoleLogger);
  const validations = new Validations(given.validate ?? true, logger);
  validations.checkOptions(passed, KNOWN_OPTIONS);
  checkSource(given);

  const policies = policiesOf(given);
  const [longest] = policies;
  const windowMs = longest?.windowMs ?? checkWindow(Number(given.windowMs ?? 60_000));
  const limit = longest?.limit ?? given.limit ?? given.max ?? 5;
  const { standardHeaders = false, message = DEFAULT_MESSAGE } = given;
  const { requestPropertyName = 'rateLimit', ipv6Subnet = 56, statusCode = 429 } = given;

  const options: ResolvedOptions = {
    skipFailedRequests: false,
    skipSuccessfulRequests: false,
    passOnStoreError: false,
    legacyHeaders: given.headers ?? true,
    identifier: policyOf,
    keyGenerator: addressKey,
    handler: rejectWith({ message: given.message, statusCode, policyOf: shownPolicy }),
    skip: () => false,
    requestWasSuccessful: (_request, response) => response.statusCode < 400,
    ...given,
    windowMs,
    limit: typeof limit === 'function' ? limit : checkLimit(limit),
    message,
    statusCode,
    requestPropertyName,
    ipv6Subnet,
    standardHeaders: standardHeaders === true ? 'draft-6' : standardHeaders,
    store: given.store ?? undefined,
    validate: validations.enabled,
    validations,
    logger,
    name: checkName(given.name ?? nameOf(limit, windowMs, policies)),
    isNamed: given.name !== undefined,
    policies,
    cost: typeof given.cost === 'function' ? given.cost : checkCost(given.cost ?? 1, 1),
    onRedisDown: checkPolicy(given.onRedisDown ?? 'local'),
    expectedProcesses: checkWhole('expectedProcesses', given.expectedProcesses ?? 1),
    deadlineMs: checkNumber('deadlineMs', given.deadlineMs ?? 100, 1, 'milliseconds, such as 100'),
    countRejected: given.countRejected ?? false,
    resolution: given.resolution === undefined ? 0 : checkWhole('resolution', given.resolution),
    blockMs: checkNumber('blockMs', given.blockMs ?? 0, 0, 'milliseconds, such as 60_000'),
    dryRun: given.dryRun ?? false,
  };
  return options;

  function informationOn(request: Request): RateLimitInfo | undefined {
    return (request as unknown as Record<string, RateLimitInfo>)[requestPropertyName];
  }

  function policyOf(request: Request): string {
    return policyName(informationOn(request)?.limit ?? 0, windowMs);
  }

  function addressKey(request: Request, response: Response): string | Promise<string> {
    const address = addressOf(request);
    validations.checkAddress(request, address);
    const clean = cleanAddress(address);
    if (!clean.includes(':')) return clean;
    if (typeof ipv6Subnet === 'function') return keyInSubnet(clean, ipv6Subnet(request, response));
    return keyOfAddress(clean, ipv6Subnet);
  }

  async function keyInSubnet(address: string, chosen: number | Promise<number>): Promise<string> {
    const subnet = await chosen;
    validations.checkSubnet(subnet);
    return keyOfAddress(address, subnet);
  }

  function shownPolicy(request: Request, response: Response): string | Promise<string> {
    const identifier = informationOn(request)?.policy ?? options.identifier;
    return typeof identifier === 'function' ? identifier(request, response) : identifier;
  }
}

function checkSource({ client, store, cost, ...given }: RateLimitOptions): void {
  if (store === undefined || store === null) return;
  if (client !== undefined)
    throw invalidOption('store', store, 'Pass either `client` or `store`: both say where hits are counted.');
  if (cost !== undefined && cost !== 1)
    throw invalidOption('cost', cost, 'A custom `store` counts by ones: leave it out.');
  for (const option of ['countRejected', 'limits', 'resolution', 'blockMs'] as const)
    if (given[option])
      throw invalidOption(option, given[option], 'A custom `store` counts in its own way: leave it out.');
  for (const option of ['onRedisDown', 'expectedProcesses', 'deadlineMs', 'namespace'] as const)
    if (given[option] !== undefined)
      throw invalidOption(
        option,
        given[option],
        'It goes with `client`. A `store` has settings of its own, and `passOnStoreError` for when it fails.',
      );
}

function withoutUndefined(passed: RateLimitOptions): RateLimitOptions {
  return Object.fromEntries(Object.entries(passed).filter(([, value]) => value !== undefined));
}

const consoleLogger: Logger = {
  error: (error, message) => console.error(...(message === undefined ? [error] : [message, error])),
  warn: (error, message) => console.warn(...(message === undefined ? [error] : [message, error])),
};

const KNOWN_OPTIONS: ReadonlySet<string> = new Set([
  ...['windowMs', 'limit', 'max', 'message', 'statusCode', 'legacyHeaders', 'headers', 'standardHeaders'],
  ...['identifier', 'retryAfter', 'requestPropertyName', 'skipFailedRequests', 'skipSuccessfulRequests'],
  ...['keyGenerator', 'ipv6Subnet', 'handler', 'skip', 'requestWasSuccessful', 'store', 'validate'],
  ...['passOnStoreError', 'logger', 'client', 'namespace', 'name', 'cost', 'onRedisDown'],
  ...['expectedProcesses', 'deadlineMs', 'countRejected', 'limits', 'resolution', 'blockMs', 'dryRun'],
  // These have findings of their own.
  ...['draft_polli_ratelimit_headers', 'onLimitReached'],
]);
