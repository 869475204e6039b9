/** The checks by name, and what they can find, under express-rate-limit's codes. */
import { isIP } from 'node:net';

/** The names of the checks, as `validate` knows them. */
export const CHECKS = [
  'ip',
  'trustProxy',
  'xForwardedForHeader',
  'forwardedHeader',
  'positiveHits',
  'unsharedStore',
  'singleCount',
  'limit',
  'draftPolliHeaders',
  'onLimitReached',
  'headersDraftVersion',
  'headersResetTime',
  'knownOptions',
  'validationsConfig',
  'creationStack',
  'ipv6Subnet',
  'ipv6SubnetOrKeyGenerator',
  'keyGeneratorIpFallback',
  'windowMs',
] as const;

export type Check = (typeof CHECKS)[number];

/** Checks switched on or off by name; `default` stands for those not named. */
export type EnabledValidations = { [name in Check | 'default']?: boolean };

export type Finding = readonly [code: string, message: string];

type FindingName =
  | 'draftPolli'
  | 'onLimitReached'
  | 'windowMs'
  | 'bareIp'
  | 'ignoredSubnet'
  | 'createdInHandler'
  | 'storeReuse'
  | 'nameReuse'
  | 'permissiveTrustProxy'
  | 'unexpectedForwardedFor'
  | 'ignoredForwarded'
  | 'oddSubnet'
  | 'doubleCount'
  | 'zeroLimit'
  | 'invalidHits'
  | 'unknownDraft'
  | 'noResetTime';

export const FINDINGS: Readonly<Record<FindingName, Finding>> = {
  draftPolli: [
    'WRN_ERL_DEPRECATED_DRAFT_POLLI_HEADERS',
    "`draft_polli_ratelimit_headers` is no option any more. Use `standardHeaders: 'draft-6'`.",
  ],
  onLimitReached: [
    'WRN_ERL_DEPRECATED_ON_LIMIT_REACHED',
    '`onLimitReached` is no option any more. Use `handler`.',
  ],
  windowMs: [
    'ERR_ERL_WINDOW_MS',
    '`windowMs` is not a number. It is taken as one, in milliseconds; write it as one.',
  ],
  bareIp: [
    'ERR_ERL_KEY_GEN_IPV6',
    '`keyGenerator` seems to use the address without ipKeyGenerator(), so that everyone with IPv6 has countless identities.',
  ],
  ignoredSubnet: [
    'ERR_ERL_IPV6SUBNET_OR_KEYGENERATOR',
    '`ipv6Subnet` has no effect beside a `keyGenerator`. Pass it to ipKeyGenerator() there.',
  ],
  createdInHandler: [
    'ERR_ERL_CREATED_IN_REQUEST_HANDLER',
    'A rate limiter was made inside a request handler. Make it once, when the app starts, or it forgets what it counted.',
  ],
  storeReuse: [
    'ERR_ERL_STORE_REUSE',
    'One store serves several rate limiters. Give each its own, with a prefix of its own where they share a database.',
  ],
  nameReuse: [
    'ERR_ERL_STORE_REUSE',
    'Two rate limiters of one policy have no `name`, so that they share their hits. Give each its own, or both the same.',
  ],
  permissiveTrustProxy: [
    'ERR_ERL_PERMISSIVE_TRUST_PROXY',
    "Express' `trust proxy` is true, so that anyone can choose an address by sending X-Forwarded-For. Set it to the number of your proxies.",
  ],
  unexpectedForwardedFor: [
    'ERR_ERL_UNEXPECTED_X_FORWARDED_FOR',
    "There is an X-Forwarded-For header, but Express' `trust proxy` is false: behind a proxy, all clients are one client. Set it to the number of your proxies.",
  ],
  ignoredForwarded: [
    'ERR_ERL_FORWARDED_HEADER',
    'There is a Forwarded header, which Express ignores. Behind a proxy that sends it, write a `keyGenerator` that reads it.',
  ],
  oddSubnet: [
    'ERR_ERL_IPV6_SUBNET',
    '`ipv6Subnet` should be an integer from 32 to 64, usually 48, 56 or 64, or false.',
  ],
  doubleCount: [
    'ERR_ERL_DOUBLE_COUNT',
    'One request was counted twice under one key. Look for a limiter that is mounted twice, or give two limiters different names.',
  ],
  zeroLimit: ['WRN_ERL_MAX_ZERO', 'The limit is 0: every request is rejected. To limit nobody, use `skip`.'],
  invalidHits: ['ERR_ERL_INVALID_HITS', 'The store returned a `totalHits` that is no positive integer.'],
  unknownDraft: [
    'ERR_ERL_HEADERS_UNSUPPORTED_DRAFT_VERSION',
    "`standardHeaders` has to be true, false, 'draft-6', 'draft-7', 'draft-8' or 'draft-11'.",
  ],
  noResetTime: [
    'ERR_ERL_HEADERS_NO_RESET',
    'The store gives no `resetTime`. Clients are told to wait the whole window.',
  ],
};

export function findUnknownCheck(enabled: object, known: readonly string[]): Finding | undefined {
  const unknown = Object.keys(enabled).find((name) => !known.includes(name));
  if (unknown === undefined) return undefined;
  return [
    'ERR_ERL_UNKNOWN_VALIDATION',
    `\`validate.${unknown}\` is no check. There are: ${known.join(', ')}.`,
  ];
}

export function findUnknownOption(passed: object, known: ReadonlySet<string>): Finding | undefined {
  const unknown = Object.keys(passed).find((name) => !known.has(name));
  if (unknown === undefined) return undefined;
  return ['ERR_ERL_UNKNOWN_OPTION', `\`${unknown}\` is no option. There are: ${[...known].join(', ')}.`];
}

export function findAddressProblem(address: string | undefined): Finding | undefined {
  if (address === undefined)
    return [
      'ERR_ERL_UNDEFINED_IP_ADDRESS',
      'The client has no address: a Unix socket, or it has gone already.',
    ];
  if (isIP(address) !== 0) return undefined;
  const shown = JSON.stringify(address.slice(0, 60));
  return [
    'ERR_ERL_INVALID_IP_ADDRESS',
    `The address of the client is ${shown}. Does a proxy append the port?`,
  ];
}
