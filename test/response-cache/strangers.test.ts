// Many users ask for the same pages at random, at the same time: no byte of one's answer reaches another.
//
// `npm run isolation` sends 100,000 requests; `REQUESTS=1000000 npm run isolation` more.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import express, { type Request, type Response } from 'express';
import { type ResponseCacheOptions, responseCache } from 'express-redis-suite/response-cache';
import { type Served, serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';

const REQUESTS = Number(process.env.REQUESTS ?? 5_000);
const AT_ONCE = 32;
const PATHS = 12;

const pick = <T>(...choices: T[]): T => choices[Math.floor(Math.random() * choices.length)] as T;

/** Who and what a request is: whatever a handler may put into its answer. */
interface Asker {
  readonly cookie?: string;
  readonly authorization?: string;
  readonly 'x-team'?: string;
  readonly 'accept-language'?: string;
}

function someone(): Asker {
  const user = pick('ada', 'bob', 'cyd', 'dan');
  return {
    ...pick(
      {},
      { cookie: `sid=${user}` },
      { cookie: `theme=dark; sid=${user}` },
      { authorization: `Bearer ${user}` },
    ),
    ...pick({}, { 'x-team': pick('red', 'blue') }),
    ...pick({}, { 'accept-language': pick('de', 'en, de') }),
  };
}

const userOf = ({ cookie = '', authorization = '' }: Asker) =>
  /sid=(\w+)/.exec(cookie)?.[1] ?? /Bearer (\w+)/.exec(authorization)?.[1];

/** What the page at a path depends on, which its headers say as they should. */
function rulesOf(path: string) {
  const seed = Number(/\d+/.exec(path)?.[0]);
  const isPersonal = seed % 3 !== 0;
  const varies = (['x-team', 'accept-language'] as const).filter((_name, bit) => (seed >> bit) % 2 === 1);
  const shared = ['public, max-age=1', 's-maxage=1', 'public, max-age=1, stale-while-revalidate=5'];
  const personal = ['max-age=1', 'private, max-age=60', 'no-store', 'max-age=1, must-revalidate', ''];
  const declared = isPersonal ? personal : shared;
  return { isPersonal, varies, cacheControl: declared[(seed >> 2) % declared.length] as string };
}

async function answer(req: Request, res: Response): Promise<void> {
  const { isPersonal, varies, cacheControl } = rulesOf(req.path);
  const asker = req.headers as Asker;
  await pick(Promise.resolve(), sleep(Math.random() * 4));
  if (cacheControl !== '') res.set('Cache-Control', cacheControl);
  if (varies.length > 0) res.vary(varies.join(', '));
  const user = userOf(asker);
  // Cookies of a login come only with what is personal.
  if (isPersonal && user !== undefined && Math.random() < 0.1) res.cookie('seen', user);
  const parts = [
    req.path,
    isPersonal ? (user ?? 'nobody') : 'all',
    ...varies.map((name) => asker[name] ?? 'none'),
  ];
  const body = JSON.stringify({ parts, padding: 'x'.repeat(Math.floor(Math.random() * 2_000)) });
  if (Math.random() < 0.02) return void res.status(500).end(body);
  if (Math.random() < 0.5) return void res.end(body);
  res.write(body.slice(0, 10));
  await sleep(0);
  res.end(body.slice(10));
}

async function siteWith(options: ResponseCacheOptions): Promise<Served> {
  const cache = responseCache({ namespace: uniqueNamespace(), deadlineMs: 5_000, ...options });
  return serve(express().use(cache, (req, res) => answer(req, res)));
}

/** Asks once at random; returns whether it was a hit. */
async function askAtRandom(site: Served, mayBeStored: RegExp): Promise<boolean> {
  const path = `/${Math.floor(Math.random() * PATHS)}`;
  const asker = someone();
  const more = pick<Record<string, string>>(
    {},
    {},
    { 'cache-control': 'no-cache' },
    { 'if-none-match': '*' },
  );
  const method = Math.random() < 0.01 ? 'POST' : pick('GET', 'GET', 'GET', 'HEAD');
  const reply = await site.send(path, { method, headers: { ...asker, ...more } as Record<string, string> });
  const { isPersonal, varies } = rulesOf(path);
  const status = String(reply.headers['cache-status']);
  const isShared = /hit|collapsed/.test(status);
  const user = userOf(asker);
  for (const cookie of reply.headers['set-cookie'] ?? [])
    expect(cookie).toMatch(new RegExp(`^seen=${user};`));
  if (isShared && isPersonal) expect(user === undefined ? 'nobody' : 'somebody').toMatch(mayBeStored);
  if (reply.text === '') return isShared;
  const { parts } = reply.json() as { parts: string[] };
  const due = [path, isPersonal ? (user ?? 'nobody') : 'all', ...varies.map((name) => asker[name] ?? 'none')];
  expect({ parts, status }).toEqual({ parts: due, status });
  return isShared;
}

test.each<[string, ResponseCacheOptions, RegExp]>([
  ['by default', {}, /nobody/],
  [
    'with a lifetime for what declares none',
    { ttl: 1_000, statuses: [500], staleIfErrorMs: 5_000 },
    /nobody/,
  ],
  ['keyed by user', { ttl: 1_000, vary: { user: (req) => userOf(req.headers as Asker) } }, /body/],
  ['with copies in memory', { ttl: 1_000, memory: { maxBytes: 1_000_000 } }, /nobody/],
])(
  'nobody is answered what was made for somebody else, %s',
  async (_name, options, mayBeStored) => {
    const site = await siteWith({ ...options, client: await connect() });
    let left = REQUESTS / 4;
    let hits = 0;
    async function ask(): Promise<void> {
      while (left-- > 0) if (await askAtRandom(site, mayBeStored)) hits += 1;
    }
    await Promise.all(Array.from({ length: AT_ONCE }, ask));
    // Or nothing was tried.
    expect(hits).toBeGreaterThan(REQUESTS / 40);
  },
  REQUESTS * 20 + 30_000,
);
