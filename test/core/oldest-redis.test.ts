/** Every command that Redis is sent, and every option of it, is as old as the oldest Redis that is promised. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ask } from '../support/redis.js';
import { sharedRedisUrl } from '../support/redis-server.js';

const LIB = join(__dirname, '../../lib');
const OLDEST = '6.2.0';
/** What the adapters of the clients send, besides what scripts do. */
const BY_CLIENTS = [
  'EVALSHA',
  'EVAL',
  'GET',
  'HMGET',
  'UNLINK',
  'EXISTS',
  'PING',
  'SCAN',
  'SUBSCRIBE',
  'TIME',
];

test('no command and no option is younger than Redis 6.2', async () => {
  const calls = callsInScripts();
  expect(calls.length).toBeGreaterThan(80);
  const names = [...new Set([...calls.map(([name = '']) => name), ...BY_CLIENTS])];
  // Since 7.0 Redis says since when it has what.
  const docs = asObject(await ask(sharedRedisUrl(), ['COMMAND', 'DOCS', ...names]));
  const younger: string[] = [];
  for (const [name = '', ...options] of calls) {
    const doc = asObject(docs[name.toLowerCase()]);
    if (isYounger(doc.since)) younger.push(name);
    for (const [token, since] of tokensOf(doc.arguments))
      if (options.includes(token) && isYounger(since)) younger.push(`${name} ${token}`);
  }
  expect(younger).toEqual([]);
  for (const name of BY_CLIENTS)
    expect([name, isYounger(asObject(docs[name.toLowerCase()]).since)]).toEqual([name, false]);
});

test('an option that is younger would be found', async () => {
  const { expire } = asObject(await ask(sharedRedisUrl(), ['COMMAND', 'DOCS', 'EXPIRE']));
  const young = tokensOf(asObject(expire).arguments).filter(([, since]) => isYounger(since));
  expect(young.map(([token]) => token)).toContain('NX');
});

/** Names, and the words in capitals among their arguments: `['SET', 'PX']`. */
function callsInScripts(): string[][] {
  const files = readdirSync(LIB, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const lua = files.map((name) => readFileSync(join(LIB, name), 'utf8')).join('\n');
  const calls = lua.matchAll(/\bp?call\('([A-Z]+)'((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)/g);
  return [...calls].map(([, name = '', rest = '']) => [
    name,
    ...[...rest.matchAll(/'([A-Z]+)'/g)].map(([, word = '']) => word),
  ]);
}

type Doc = Readonly<Record<string, unknown>>;

/** RESP 2 has maps as lists of names and values in turn. */
function asObject(reply: unknown): Doc {
  const flat = Array.isArray(reply) ? reply : [];
  const names = flat.filter((_, index) => index % 2 === 0) as string[];
  return Object.fromEntries(names.map((name, index) => [name, flat[2 * index + 1]]));
}

/** What does not say since when is as old as what it is part of. */
function tokensOf(args: unknown, sinceAll?: unknown): (readonly [string, unknown])[] {
  if (!Array.isArray(args)) return [];
  return args.map(asObject).flatMap(({ token, since = sinceAll, arguments: inner }) => {
    const own = typeof token === 'string' ? [[token, since] as const] : [];
    return [...own, ...tokensOf(inner, since)];
  });
}

function isYounger(since: unknown): boolean {
  return typeof since === 'string' && since.localeCompare(OLDEST, 'en', { numeric: true }) > 0;
}
