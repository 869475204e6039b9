/** Over a thousand names under which attackers slip something into a page that is kept for others. */

/** What proxies, frameworks and gateways call the host, scheme, path and method that a request was made for. */
const OF_THE_TARGET = [
  ...[
    'host',
    'hostname',
    'server',
    'domain',
    'proto',
    'protocol',
    'scheme',
    'ssl',
    'https',
    'prefix',
    'path',
  ],
  ...['path-info', 'pathname', 'uri', 'url', 'rewrite', 'script-name', 'method', 'host-override'],
  ...['method-override', 'url-path', 'request-uri', 'host-name', 'authority'],
];
const BEFORE = [
  ...['x', 'x-forwarded', 'x-original', 'x-rewrite', 'x-http', 'x-proxy', 'x-real', 'x-client', 'x-custom'],
  ...[
    'x-backend',
    'x-upstream',
    'x-envoy-original',
    'x-ms',
    'x-arr',
    'x-amz',
    'x-wap',
    'x-cdn',
    'x-edge',
    'x-base',
  ],
  ...[
    'x-gateway',
    'x-external',
    'x-public',
    'x-request',
    'x-waws',
    'forwarded',
    'original',
    'proxy',
    'cloudfront',
  ],
];
const BY_THEMSELVES = [
  ...[
    'forwarded',
    'front-end-https',
    'x-forwarded-port',
    'x-original-port',
    'x-forwarded_host',
    'x_forwarded_host',
  ],
  ...[
    'base-url',
    'request-uri',
    'http-host',
    'true-host',
    'cloudfront-forwarded-proto',
    'fastly-ssl',
    'x-arr-ssl',
  ],
  ...['x-http-method', 'x-method-override', 'x-http-method-override', 'x-verb-override', 'x-url-scheme'],
];

export const steeringNames: readonly string[] = [
  ...new Set([
    ...BEFORE.flatMap((before) => OF_THE_TARGET.map((name) => `${before}-${name}`)),
    ...BY_THEMSELVES,
  ]),
];

/** Names under which a header says who asks. */
export const credentialNames: readonly string[] = [
  ...[
    'x-api-key',
    'api-key',
    'apikey',
    'x-apikey',
    'x-auth-token',
    'x-access-token',
    'x-id-token',
    'x-csrf-token',
  ],
  ...['x-xsrf-token', 'x-auth-user', 'x-forwarded-user', 'x-forwarded-email', 'x-remote-user', 'remote-user'],
  ...[
    'x-authenticated-user',
    'x-goog-authenticated-user-email',
    'cf-access-jwt-assertion',
    'x-ms-client-principal',
  ],
  ...[
    'x-amzn-oidc-data',
    'x-amzn-oidc-identity',
    'x-amzn-oidc-accesstoken',
    'x-amz-security-token',
    'x-session-id',
  ],
  ...[
    'x-sid',
    'x-client-cert',
    'x-ssl-client-cert',
    'ssl-client-s-dn',
    'proxy-authorization',
    'x-authorization',
  ],
  ...[
    'x-user-id',
    'x-username',
    'x-account-id',
    'x-webauth-user',
    'x-secret',
    'x-otp',
    'dpop',
    'x-signature',
  ],
  ...[
    'x-jwt',
    'token',
    'private-token',
    'x-vault-token',
    'x-shopify-access-token',
    'x-hub-signature',
    'x-password',
  ],
];

const WORDS = [
  ...[
    'utm_source',
    'utm_medium',
    'gclid',
    'fbclid',
    'ref',
    'callback',
    'jsonp',
    'lang',
    'locale',
    'theme',
    'debug',
  ],
  ...[
    'cb',
    'v',
    'preview',
    'redirect',
    'return',
    'next',
    'url',
    'host',
    'path',
    'template',
    'format',
    '_method',
    'q',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'id',
    'page',
    'sort',
    'fields',
    'include',
    'amp',
    'mobile',
    'x',
    'wp',
  ],
];
/** What parsers make one name of, one way or another. */
const SPELLINGS: readonly ((word: string) => string)[] = [
  (word) => word,
  (word) => word.toUpperCase(),
  (word) => `${word}[]`,
  (word) => `${word}[a]`,
  (word) => `[${word}]`,
  (word) => `${word}.a`,
  (word) => `%${word.charCodeAt(0).toString(16)}${word.slice(1)}`,
  (word) => `+${word}`,
  (word) => `%20${word}`,
  (word) => `${word}%00`,
  (word) => `a=1&${word}`,
  (word) => `a=1;${word}`,
  (word) => `${word}=&${word}`,
  (word) => `amp;${word}`,
];

export const parameterNames: readonly string[] = WORDS.flatMap((word) =>
  SPELLINGS.map((spell) => spell(word)),
);
