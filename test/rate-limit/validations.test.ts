// Checks for common mistakes: they log, once, under express-rate-limit's codes, and never throw.

import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import express, { type RequestHandler } from 'express';
import { MemoryStore, type Options, rateLimit } from 'express-redis-suite/rate-limit';
import { onTestEnd } from '../support/cleanup.js';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';

function recorder() {
  const codes: string[] = [];
  const note = (error: unknown) => void codes.push((error as { code: string }).code);
  return { codes, logger: { error: note, warn: note } };
}

async function codesFrom(
  options: Record<string, unknown>,
  headers: Record<string, string> = {},
  trustProxy: unknown = false,
): Promise<string[]> {
  const { codes, logger } = recorder();
  const app = express().use(rateLimit({ logger, ...options } as Partial<Options>));
  app.set('trust proxy', trustProxy);
  app.get('/', (_req, res) => void res.send('yes'));
  const served = await serve(app);
  for (let requests = 0; requests < 2; requests += 1) await served.get('/', headers);
  return codes;
}

describe('The checks of a limiter', () => {
  test('find nothing in a sound configuration', async () => {
    expect(await codesFrom({ windowMs: 1_000, limit: 3, standardHeaders: 'draft-8' })).toEqual([]);
    const client = await connect();
    const ours = { client, namespace: uniqueNamespace(), name: 'x', cost: 1, onRedisDown: 'open' };
    expect(await codesFrom({ ...ours, expectedProcesses: 2, deadlineMs: 500, countRejected: false })).toEqual(
      [],
    );
  });

  test.each<[string, Record<string, unknown>, Record<string, string>?, unknown?]>([
    ['ERR_ERL_UNKNOWN_OPTION', { maximum: 3 }],
    ['ERR_ERL_UNKNOWN_VALIDATION', { validate: { trustproxy: false } }],
    ['WRN_ERL_DEPRECATED_ON_LIMIT_REACHED', { onLimitReached: () => {} }],
    ['WRN_ERL_DEPRECATED_DRAFT_POLLI_HEADERS', { draft_polli_ratelimit_headers: true }],
    ['ERR_ERL_IPV6_SUBNET', { ipv6Subnet: 16 }],
    ['ERR_ERL_IPV6SUBNET_OR_KEYGENERATOR', { ipv6Subnet: 56, keyGenerator: () => 'me' }],
    ['ERR_ERL_KEY_GEN_IPV6', { keyGenerator: (req: { ip: string }) => req.ip }],
    ['ERR_ERL_HEADERS_UNSUPPORTED_DRAFT_VERSION', { standardHeaders: 'draft-5' }],
    ['ERR_ERL_WINDOW_MS', { windowMs: '60000' }],
    ['WRN_ERL_MAX_ZERO', { limit: 0 }],
    ['ERR_ERL_UNEXPECTED_X_FORWARDED_FOR', {}, { 'x-forwarded-for': '203.0.113.7' }],
    ['ERR_ERL_FORWARDED_HEADER', {}, { forwarded: 'for=203.0.113.7' }],
    ['ERR_ERL_PERMISSIVE_TRUST_PROXY', {}, {}, true],
    ['ERR_ERL_INVALID_IP_ADDRESS', {}, { 'x-forwarded-for': '203.0.113.7:80' }, 1],
  ])('find %s, once', async (code, options, headers = {}, trustProxy = false) => {
    expect(await codesFrom(options, headers, trustProxy)).toEqual([code]);
  });

  test('can be switched off, all or by name', async () => {
    const forwarded = { 'x-forwarded-for': '203.0.113.7' };
    expect(await codesFrom({ validate: false, limit: 0 }, forwarded)).toEqual([]);
    expect(await codesFrom({ validate: { limit: false }, limit: 0 }, forwarded)).toEqual([
      'ERR_ERL_UNEXPECTED_X_FORWARDED_FOR',
    ]);
    expect(await codesFrom({ validate: { default: false, limit: true }, limit: 0 }, forwarded)).toEqual([
      'WRN_ERL_MAX_ZERO',
    ]);
  });

  test('find a request that is counted twice under one name, and not under two', async () => {
    const client = await connect();
    const namespace = uniqueNamespace();
    const { codes, logger } = recorder();
    const limiter = (name?: string) => rateLimit({ client, namespace, logger, ...(name && { name }) });
    await passThrough(limiter('a'), limiter('b'), rateLimit({ logger }));
    expect(codes).toEqual([]);
    await passThrough(limiter('a'), limiter('a'));
    expect(codes).toEqual(['ERR_ERL_DOUBLE_COUNT']);
  });

  test.each([
    ['in Redis', async () => ({ client: await connect(), namespace: uniqueNamespace() })],
    ['in this process', async () => ({})],
  ])('find one limiter that is mounted twice, with hits %s', async (_place, where) => {
    const { codes, logger } = recorder();
    const limiter = rateLimit({ ...(await where()), logger });
    const app = express().use(limiter);
    app.get('/twice', limiter, (_req, res) => void res.send('yes'));
    app.get('/', (_req, res) => void res.send('yes'));
    const served = await serve(app);
    for (const path of ['/', '/twice', '/twice']) await served.get(path);
    expect(codes).toEqual(['ERR_ERL_DOUBLE_COUNT']);
  });

  test('find a limiter that is made for every request, in Express 5 and 4', async () => {
    for (const make of [express, require('express-4') as typeof express]) {
      const { codes, logger } = recorder();
      const app = make().use((req, res, next) => rateLimit({ logger })(req, res, next));
      app.get('/', (_req, res) => void res.send('yes'));
      await (await serve(app)).get('/');
      expect(codes).toEqual(['ERR_ERL_CREATED_IN_REQUEST_HANDLER']);
    }
  });

  test('find a store that serves two limiters', () => {
    const { codes, logger } = recorder();
    const store = new MemoryStore();
    rateLimit({ store, logger });
    rateLimit({ store, logger });
    expect(codes).toEqual(['ERR_ERL_STORE_REUSE']);
  });

  test('find two limiters that share their hits though nobody said so', async () => {
    const client = await connect();
    const { codes, logger } = recorder();
    const limiter = (options: Partial<Options>) =>
      rateLimit({ client, namespace, logger, ...options } as Partial<Options>);
    const namespace = uniqueNamespace();
    for (const options of [{ limit: 5 }, { limit: 6 }, { name: '5-in-1min' }, { name: 'a' }, { name: 'a' }])
      limiter(options);
    expect(codes).toEqual([]);
    limiter({ limit: 5 });
    expect(codes).toEqual(['ERR_ERL_STORE_REUSE']);
    limiter({ limit: 5, validate: { unsharedStore: false } });
    expect(codes).toHaveLength(1);
  });

  test('find a client without an address, who shares one identity with all such', async () => {
    const { codes, logger } = recorder();
    const app = express().use(rateLimit({ logger }));
    app.get(
      '/',
      (req, res) => void res.send((req as unknown as { rateLimit: { key: string } }).rateLimit.key),
    );
    const folder = mkdtempSync(join(tmpdir(), 'rl-'));
    const socketPath = join(folder, 'socket');
    const server = http.createServer(app).listen(socketPath);
    onTestEnd(() => {
      server.close();
      rmSync(folder, { recursive: true, force: true });
    });
    const key = await new Promise((resolve, reject) => {
      http
        .get({ socketPath, path: '/', agent: false }, (res) => res.on('data', (bytes) => resolve(`${bytes}`)))
        .on('error', reject);
    });
    expect(key).toBe('no-address');
    expect(codes).toEqual(['ERR_ERL_UNDEFINED_IP_ADDRESS']);
  });
});

describe('In production, a limiter without a client', () => {
  test('says once that each process counts for itself', () => {
    const said: unknown[] = [];
    const logger = { error: () => {}, warn: (text: unknown) => said.push(text) };
    const before = process.env.NODE_ENV;
    process.env.NODE_ENV = 'production';
    onTestEnd(() => {
      process.env.NODE_ENV = before;
    });
    rateLimit({ logger });
    rateLimit({ logger });
    rateLimit({ logger, store: new MemoryStore() });
    expect(said).toEqual([expect.stringContaining('no `client`')]);
  });
});

async function passThrough(...handlers: RequestHandler[]): Promise<void> {
  const app = express().use(...handlers);
  app.get('/', (_req, res) => void res.send('yes'));
  expect((await (await serve(app)).get('/')).status).toBe(200);
}
