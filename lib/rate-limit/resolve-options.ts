/** What a user passed, checked and completed. */
import { isIPv6 } from 'node:net';
import type { Request, Response } from 'express';
import { invalidOption } from '../core/errors.js';
import { addressOf, cleanAddress, ipKeyGenerator } from './client-key.js';
import type { DraftHeadersVersion } from './headers.js';
import type { Logger, OnRedisDown, Options, RateLimitInfo } from './options.js';
import { policyName } from './policy-name.js';
import { sendRejection } from './rejection.js';
import { Validations } from './validations.js';

type Needed = Required<
  Pick<Options, 'name' | 'cost' | 'onRedisDown' | 'expectedProcesses' | 'deadlineMs' | 'countRejected'>
>;

/** All options with a value; those without one are off. */
export type ResolvedOptions = Omit<Options, keyof Needed | 'standardHeaders' | 'store'> &
  Needed & {
    readonly standardHeaders: false | DraftHeadersVersion;
    readonly store: Options['store'] | undefined;
    readonly validations: Validations;
  };

/** @throws SuiteError ERS_INVALID_OPTION for what cannot mean anything; what only looks wrong is logged. */
export function resolveOptions(passed: Partial<Options>): ResolvedOptions {
  const given = withoutUndefined(passed);
  const logger = checkLogger(given.logger ?? consoleLogger);
  const validations = new Validations(given.validate ?? true, logger);
  validations.checkOptions(passed, KNOWN_OPTIONS);
  checkSource(given);

  const windowMs = checkNumber(
    'windowMs',
    Number(given.windowMs ?? 60_000),
    1,
    'milliseconds, such as 60_000',
  );
  const limit = given.limit ?? given.max ?? 5;
  const { standardHeaders = false, message = 'Too many requests, please try again later.' } = given;
  const { requestPropertyName = 'rateLimit', ipv6Subnet = 56, statusCode = 429 } = given;

  const options: ResolvedOptions = {
    skipFailedRequests: false,
    skipSuccessfulRequests: false,
    passOnStoreError: false,
    legacyHeaders: given.headers ?? true,
    identifier: policyOf,
    keyGenerator: addressKey,
    handler: reject,
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
    store: given.store,
    validate: validations.enabled,
    validations,
    logger,
    name: checkName(given.name ?? policyName(typeof limit === 'function' ? 'dynamic' : limit, windowMs)),
    cost: typeof given.cost === 'function' ? given.cost : checkCost(given.cost ?? 1, 1),
    onRedisDown: checkPolicy(given.onRedisDown ?? 'local'),
    expectedProcesses: checkWhole('expectedProcesses', given.expectedProcesses ?? 1),
    deadlineMs: checkNumber('deadlineMs', given.deadlineMs ?? 100, 1, 'milliseconds, such as 100'),
    countRejected: given.countRejected ?? false,
  };
  return options;

  function policyOf(request: Request): string {
    const info = (request as unknown as Record<string, RateLimitInfo>)[requestPropertyName];
    return policyName(info?.limit ?? 0, windowMs);
  }

  async function addressKey(request: Request, response: Response): Promise<string> {
    const address = addressOf(request);
    validations.checkAddress(request, address);
    const clean = cleanAddress(address);
    if (typeof ipv6Subnet !== 'function') return ipKeyGenerator(clean, ipv6Subnet);
    if (!isIPv6(clean)) return clean;
    const subnet = await ipv6Subnet(request, response);
    validations.checkSubnet(subnet);
    return ipKeyGenerator(clean, subnet);
  }

  async function reject(request: Request, response: Response): Promise<void> {
    const body: unknown = typeof message === 'function' ? await message(request, response) : message;
    sendRejection(request, response, statusCode, body);
  }
}

/**
 * The units that a request takes.
 *
 * @throws SuiteError ERS_INVALID_OPTION
 */
export function checkCost(cost: unknown, least: 0 | 1 = 0): number {
  if (Number.isSafeInteger(cost) && (cost as number) >= least) return cost as number;
  throw invalidOption(
    'cost',
    cost,
    `Use a whole number of at least ${least}, or a function that returns one.`,
  );
}

/**
 * The limit as a whole number; a numeric string will do, as it does for express-rate-limit.
 *
 * @throws SuiteError ERS_INVALID_OPTION
 */
export function checkLimit(limit: unknown): number {
  const units = typeof limit === 'string' ? Number.parseFloat(limit) : limit;
  if (typeof units === 'number' && !Number.isNaN(units)) return Math.max(0, Math.floor(units));
  throw invalidOption('limit', limit, 'Use a number, or a function that returns one.');
}

function checkSource({ client, store, cost, countRejected }: Partial<Options>): void {
  if (store === undefined) return;
  if (client !== undefined)
    throw invalidOption('store', store, 'Pass either `client` or `store`: both say where hits are counted.');
  if (cost !== undefined && cost !== 1) throw invalidOption('cost', cost, 'A custom `store` counts by ones.');
  if (countRejected)
    throw invalidOption('countRejected', true, 'A custom `store` does so, or not, by itself.');
}

function checkName(name: unknown): string {
  if (typeof name === 'string' && /^[A-Za-z0-9._~@/+=-]{1,32}$/.test(name)) return name;
  throw invalidOption('name', name, 'Use 1 to 32 characters of A-Z a-z 0-9 . _ ~ @ / + = -');
}

function checkPolicy(policy: unknown): OnRedisDown {
  if (policy === 'local' || policy === 'open' || policy === 'closed') return policy;
  throw invalidOption('onRedisDown', policy, "Use 'local', 'open' or 'closed'.");
}

function checkNumber(option: string, value: unknown, least: number, unit: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= least) return value;
  throw invalidOption(option, value, `Use a number of ${unit}.`);
}

function checkWhole(option: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 1) return value as number;
  throw invalidOption(option, value, 'Use a whole number of at least 1.');
}

function checkLogger(logger: Logger): Logger {
  if (typeof logger?.error === 'function' && typeof logger.warn === 'function') return logger;
  throw invalidOption('logger', logger, 'Use an object with the functions error and warn.');
}

function withoutUndefined(passed: Partial<Options>): Partial<Options> {
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
  ...['expectedProcesses', 'deadlineMs', 'countRejected'],
  // These have findings of their own.
  ...['draft_polli_ratelimit_headers', 'onLimitReached'],
]);
