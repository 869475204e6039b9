import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from '@jest/globals';
import { testDatabaseUrl } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { bareClone, isAlive, REPOSITORY, runNode, temporaryFolder } from './program.js';

// Stands in for the shop: says what it was given, and at the end whether that still answers.
const SHOP = `
  import { createClient } from 'redis';
  import postgres from 'postgres';
  if (process.env.SHOP_FAILS) {
    console.error('port taken');
    process.exit(3);
  }
  const redis = process.env.REDIS_URL ? createClient({ url: process.env.REDIS_URL }) : undefined;
  await redis?.connect();
  const sql = postgres(process.env.DATABASE_URL ?? '');
  console.log('redis pid', redis ? /process_id:(\\d+)/.exec(await redis.info('server'))?.[1] : 'none');
  process.on('SIGINT', () => console.log('got SIGINT'));
  process.on('SIGTERM', async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    console.log('at the end', await redis?.ping(), (await sql\`select 1 as one\`)[0]?.one);
    process.exit(0);
  });
  setInterval(() => {}, 1000);
  console.log('listening on http://127.0.0.1:0');
`;

// Stands in for the worker beside it, and ends by itself when it is told to.
const WORKER = `
  console.log('worker', process.pid, process.env.REDIS_URL);
  process.on('SIGTERM', () => {
    console.log('worker stopped');
    process.exit(0);
  });
  setInterval(() => {}, 1000);
`;

let cwd = '';

beforeEach(() => {
  cwd = bareClone();
  symlinkSync(join(REPOSITORY, 'node_modules'), join(cwd, 'node_modules'));
  writeFileSync(join(cwd, 'demo-app/server.ts'), SHOP);
  writeFileSync(join(cwd, 'demo-app/worker.ts'), WORKER);
  writeFileSync(join(cwd, 'tsconfig.json'), '{}');
});

function demo(env: NodeJS.ProcessEnv = {}) {
  const own = { REDIS_URL: '', DATABASE_URL: testDatabaseUrl(), ...env };
  return runNode(['demo-app/setup/demo.mjs'], { cwd, env: own });
}

test.each(['SIGINT', 'SIGTERM'] as const)(
  'after %s the shop drains first, then Redis and Postgres go',
  async (signal) => {
    const program = demo({ DATABASE_URL: '' });
    await program.prints(/ready/);
    const [, redisPid] = await program.prints(/redis pid (\d+)/);
    process.kill(program.pid, signal);
    expect(await program.exited).toBe(0);
    expect(program.output()).toContain('at the end PONG 1');
    expect(program.output()).not.toContain('got SIGINT');
    expect(isAlive(Number(redisPid))).toBe(false);
  },
);

test('when it is killed, everything it started ends by itself', async () => {
  const program = demo();
  const [, redisPid] = await program.prints(/redis pid (\d+)/);
  await program.prints(/ready/);
  process.kill(program.pid, 'SIGKILL');
  await until(() => !isAlive(Number(redisPid)), 10_000);
});

test('a worker runs beside it, another one after it was killed, and none after the shop', async () => {
  const program = demo();
  const [, killed] = await program.prints(/^worker (\d+) redis:/m);
  process.kill(Number(killed), 'SIGKILL');
  await program.prints(/the worker ended \(137\): the shop goes on/);
  const [, next] = await program.prints(/the worker ended[\s\S]*^worker (\d+) redis:/m);
  expect(next).not.toBe(killed);
  process.kill(program.pid, 'SIGTERM');
  expect(await program.exited).toBe(0);
  expect(program.output()).toMatch(/worker stopped/);
  expect(isAlive(Number(next))).toBe(false);
});

test('a worker ends with the one who started it, however that ended', async () => {
  const program = demo();
  const [, worker] = await program.prints(/^worker (\d+) redis:/m);
  process.kill(program.pid, 'SIGKILL');
  await until(() => !isAlive(Number(worker)), 10_000);
});

test('what stops the shop from starting is shown, and is the exit code', async () => {
  const program = demo({ SHOP_FAILS: '1' });
  expect(await program.exited).toBe(3);
  expect(program.output()).toContain('port taken');
});

test('without any Redis it runs in-process and says what that means', async () => {
  const bin = join(temporaryFolder(), 'bin');
  mkdirSync(bin);
  // As root, it asks for the ids of the user that Postgres runs as.
  symlinkSync('/usr/bin/id', join(bin, 'id'));
  const program = demo({ PATH: bin, REDIS_SERVER_BIN: '', DATABASE_URL: '' });
  await program.prints(/redis pid none/);
  expect(program.output()).toMatch(
    /NO REDIS.*in-process[\s\S]*a second process would not see them[\s\S]*install/,
  );
});

test('a Redis that is given is used as it is, even one that does not answer', async () => {
  writeFileSync(join(cwd, 'demo-app/server.ts'), "console.log('shop got', process.env.REDIS_URL);");
  const program = demo({ REDIS_URL: 'redis://127.0.0.1:1', DATABASE_URL: 'postgres://127.0.0.1:1/none' });
  expect(await program.exited).toBe(0);
  expect(program.output()).toContain('shop got redis://127.0.0.1:1');
});
