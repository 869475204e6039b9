/** Request headers that decide what handlers answer though hardly any response names them in Vary: the safe profile knows them by their names. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Target } from './key.js';
import type { VaryNames } from './vary.js';

export interface Unnamed {
  /** Those that stand for the host, scheme, path or method, where they say something else than the page's URL does. */
  readonly steering: string | undefined;
  /** Whether one says who asks, as Authorization and Cookie do. */
  readonly hasCredential: boolean;
}

/** In each request of browsers, HTTP libraries and proxies: most requests have no others. */
const ORDINARY: ReadonlySet<string> = new Set(
  [
    'accept accept-charset accept-encoding accept-language authorization cache-control connection content-length',
    'content-type cookie date dnt expect from host if-match if-modified-since if-none-match if-range',
    'if-unmodified-since keep-alive origin pragma priority purpose range referer save-data sec-ch-ua',
    'sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc',
    'sec-purpose te traceparent tracestate transfer-encoding upgrade upgrade-insecure-requests user-agent via',
    'x-forwarded-for x-real-ip x-request-id x-requested-with',
  ]
    .join(' ')
    .split(' '),
);

const wordsOfNames = (words: string) => new RegExp(`(?:^|[-_])(?:${words})(?=$|[-_])`);

/** X-Api-Key, X-Auth-Token, X-Forwarded-User, Cf-Access-Jwt-Assertion, X-Ssl-Client-Cert ... */
const CREDENTIAL = wordsOfNames(
  'api-?key|key|auth|authn|authorization|authenticated|(?:access|id|csrf|xsrf)?token|jwt|secret|passw(?:or)?d|session(?:id)?|sid|signature|cert|dn|user(?:id|name)?(?!-agent)|account|identity|principal|email|login|oidc|saml|dpop|otp',
);
/** X-Forwarded-Host, X-Original-Url, X-HTTP-Method-Override, Front-End-Https ... The port of a client is none of them. */
const STEERING = wordsOfNames(
  'host(?:name)?|server|domain|authority|proto(?:col)?|scheme|ssl|https?|prefix|path(?:name|info)?|ur[il]|rewrite|script|method|verb|(?:forwarded|original)-port',
);

export function isSteering(name: string): boolean {
  return kindByWords(name) === 'steering';
}

/** Who sends more or longer names is no browser, and may wait for a regular expression. */
const MAX_NAMES = 500;
const MAX_NAME_LENGTH = 64;

export type UnnamedIn = (headers: IncomingHttpHeaders, target: Target) => Unnamed;

/** @param named what the route names itself. It chooses between variants already. */
export function watchUnnamed(named: VaryNames): UnnamedIn {
  const kinds = new Map<string, Kind>();

  function kindOf(name: string): Kind {
    const known = kinds.get(name);
    if (known !== undefined) return known;
    const kind = named.includes(name) ? 'neither' : kindByWords(name);
    if (kinds.size < MAX_NAMES && name.length <= MAX_NAME_LENGTH) kinds.set(name, kind);
    return kind;
  }

  return function unnamedIn(headers, target) {
    const steering: string[] = [];
    let hasCredential = false;
    for (const name in headers) {
      const kind = kindOf(name);
      if (kind === 'credential') hasCredential = true;
      else if (kind === 'steering') steering.push(...saying(name, String(headers[name]), target));
    }
    return { steering: steering.length === 0 ? undefined : JSON.stringify(steering), hasCredential };
  };
}

type Kind = 'credential' | 'steering' | 'neither';

function kindByWords(name: string): Kind {
  if (ORDINARY.has(name)) return 'neither';
  if (CREDENTIAL.test(name)) return 'credential';
  return name === FORWARDED || STEERING.test(name) ? 'steering' : 'neither';
}

const FORWARDED = 'forwarded';

/** Nothing, where it repeats what the page goes by anyway: behind a trusted proxy all of them do. */
function saying(name: string, value: string, { scheme, host, path }: Target): readonly string[] {
  // RFC 7239, 4: beside these it names the client, who is everybody's own, as X-Forwarded-For does.
  if (name === FORWARDED) {
    const said = value.match(/\b(?:host|proto)\s*=[^;,]*/gi);
    return said === null ? [] : [name, said.join()];
  }
  const known = /host/.test(name) ? host : /proto|scheme/.test(name) ? scheme : path;
  return value === known ? [] : [name, value];
}
