import { existsSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { createClient } from 'redis';
import { onTestEnd } from '../support/cleanup.js';
import { until } from '../support/until.js';
import { isAlive, runModule, temporaryFolder } from './program.js';

const HOLD_A_REDIS = `
  import { startRedis } from './redis.mjs';
  const redis = await startRedis();
  console.log('url', redis.url);
  setInterval(() => {}, 1000);
`;

async function redisOf(program: ReturnType<typeof runModule>) {
  const [, url = ''] = await program.prints(/url (\S+)\n/);
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on('error', () => {});
  await client.connect();
  onTestEnd(() => client.isOpen && client.destroy());
  const pid = Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1]);
  const { dir: folder = '' } = await client.configGet('dir');
  return { client, pid, folder, port: new URL(url).port };
}

test('it listens on a port of 127.0.0.1 that is not the usual one, and keeps nothing on disk', async () => {
  const { client, port } = await redisOf(runModule(HOLD_A_REDIS));
  expect(port).not.toBe('6379');
  expect(await client.configGet('bind')).toEqual({ bind: '127.0.0.1' });
  expect(await client.configGet('save')).toEqual({ save: '' });
  expect(await client.configGet('appendonly')).toEqual({ appendonly: 'no' });
});

test.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
  'it goes with its folder when %s ends the one who started it',
  async (signal) => {
    const program = runModule(HOLD_A_REDIS);
    const { pid, folder } = await redisOf(program);
    expect(existsSync(folder)).toBe(true);
    process.kill(program.pid, signal);
    await program.exited;
    await until(() => !isAlive(pid) && !existsSync(folder), 10_000);
  },
);

test('two that start at once get a server each', async () => {
  const programs = [runModule(HOLD_A_REDIS), runModule(HOLD_A_REDIS)];
  const [one, other] = await Promise.all(programs.map(redisOf));
  expect(one?.port).not.toBe(other?.port);
  expect(one?.folder).not.toBe(other?.folder);
});

test('where there is none, and no way to get one, it says so instead of failing', async () => {
  const env = { PATH: temporaryFolder(), REDIS_SERVER_BIN: '' };
  const source = "import { startRedis } from './redis.mjs'; console.log('redis:', await startRedis());";
  const program = runModule(source, { env });
  expect(await program.exited).toBe(0);
  expect(program.output()).toBe('redis: null\n');
});

test('a program that is no Redis is not used, whatever its name', async () => {
  const env = { PATH: temporaryFolder(), REDIS_SERVER_BIN: process.execPath };
  const source = "import { findRedis } from './redis.mjs'; console.log('found:', await findRedis());";
  const program = runModule(source, { env });
  expect(await program.exited).toBe(0);
  expect(program.output()).toMatch(/not used\nfound: null\n$/);
});
