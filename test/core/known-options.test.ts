/** An option that is misspelt is refused by name, and none that is declared is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createCache } from 'express-redis-suite/cache-aside';
import { collectMetrics } from 'express-redis-suite/metrics';
import { responseCache } from 'express-redis-suite/response-cache';
import { sessions } from 'express-redis-suite/session';

interface Maker {
  make(options: unknown): unknown;
  readonly declaredIn: readonly (readonly [file: string, name: string])[];
  readonly ofOthers?: readonly string[];
  readonly misspelt: object;
}

const MAKERS: readonly (readonly [string, Maker])[] = [
  [
    'responseCache',
    {
      make: (options) => responseCache(options as never),
      declaredIn: [['response-cache/options', 'ResponseCacheOptions']],
      misspelt: { ttlMs: 60_000 },
    },
  ],
  [
    'createCache',
    {
      make: (options) => createCache(options as never),
      declaredIn: [['cache-aside/options', 'CacheOptions']],
      misspelt: { ttl: 60 },
    },
  ],
  [
    'sessions',
    {
      make: (options) => sessions(withSecret(options) as never),
      declaredIn: [
        ['session/options', 'RedisSessionStoreOptions'],
        ['session/settings', 'SessionsOptions'],
      ],
      ofOthers: ['name', 'cookie', 'genid', 'proxy', 'rolling', 'unset', 'resave', 'saveUninitialized'],
      misspelt: { absoluteTtl: 3600 },
    },
  ],
  [
    'collectMetrics',
    {
      make: (options) => collectMetrics(options as never),
      declaredIn: [['metrics/index', 'MetricsOptions']],
      misspelt: { register: {} },
    },
  ],
];

describe.each(MAKERS)('%s', (_name, { make, declaredIn, ofOthers = [], misspelt }) => {
  const declared = [...declaredIn.flatMap(([file, name]) => namesIn(file, name)), ...ofOthers];

  test('refuses an option that there is not, and says which there are', () => {
    const [wrong] = Object.keys(misspelt);
    const complaint = complaintOf(() => make(misspelt));
    expect(complaint).toMatchObject({ code: 'ERS_INVALID_OPTION' });
    expect(complaint?.message).toMatch(`${wrong}: there is no such option. There are: `);
    for (const name of declared) expect(complaint?.message).toMatch(new RegExp(`\\b${name}\\b`));
  });

  test('takes one that is undefined for none', () => {
    const complaint = complaintOf(() => {
      const made = make({ whatever: undefined });
      if (typeof made === 'function' && made.length === 0) made();
    });
    expect(complaint).toBeUndefined();
  });

  test('refuses what is no object', () => {
    for (const given of ['5 minutes', null, 42])
      expect(complaintOf(() => make(given))).toMatchObject({ code: 'ERS_INVALID_OPTION' });
  });

  test.each(declared)('knows %s', (name) => {
    expect(complaintOf(() => make({ [name]: null }))?.message ?? '').not.toMatch('there is no such option');
  });
});

function withSecret(options: unknown): unknown {
  return typeof options === 'object' && options !== null ? { secret: 'a secret', ...options } : options;
}

function complaintOf(make: () => unknown): Error | undefined {
  try {
    make();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

function namesIn(file: string, name: string): string[] {
  const source = readFileSync(join(__dirname, '../../lib', `${file}.ts`), 'utf8');
  const body = new RegExp(`export interface ${name}\\b[^{]*\\{(.*?)^\\}`, 'ms').exec(source)?.[1] ?? '';
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map(([, option = '']) => option);
}
