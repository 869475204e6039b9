import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { sharedRedisUrl } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { runModule, temporaryFolder } from './program.js';

const HOLD_A_REDIS = `
  import { startRedis } from './redis.mjs';
  const redis = await startRedis();
  console.log('url', redis?.url);
  process.once('SIGUSR2', async () => {
    await redis.stop();
    process.exit();
  });
  if (redis) setInterval(() => {}, 1000);
`;

// No engine is at hand where these tests run: this client answers as one with an engine does, with the Redis of the
// test run as its container, and writes down what it was asked.
function dockerAnswering({ engine }: { engine: boolean }) {
  const folder = temporaryFolder();
  const log = join(folder, 'log');
  writeFileSync(log, '');
  const script = `#!/bin/sh
    echo "$* REDIS_PORT=[$REDIS_PORT] password \${#POSTGRES_PASSWORD}" >> '${log}'
    case "$*" in
      info*) exit ${engine ? 0 : 1} ;;
      *port\\ redis\\ 6379) echo '127.0.0.1:${new URL(sharedRedisUrl()).port}' ;;
    esac
  `;
  writeFileSync(join(folder, 'docker'), script);
  chmodSync(join(folder, 'docker'), 0o755);
  return { env: { PATH: folder, REDIS_SERVER_BIN: '' }, asked: () => readFileSync(log, 'utf8') };
}

test('it starts the Redis of compose.yaml on any free port and takes it down again', async () => {
  const { env, asked } = dockerAnswering({ engine: true });
  const program = runModule(HOLD_A_REDIS, { env });
  await program.prints(new RegExp(`url ${sharedRedisUrl()}\n`));
  expect(asked()).toMatch(/compose .*compose\.yaml up --detach --wait redis REDIS_PORT=\[\] password 32\n/);
  process.kill(program.pid, 'SIGUSR2');
  expect(await program.exited).toBe(0);
  expect(asked()).toMatch(/compose .*compose\.yaml down --volumes/);
});

test('it is taken down after kill -9 too', async () => {
  const { env, asked } = dockerAnswering({ engine: true });
  const program = runModule(HOLD_A_REDIS, { env });
  await program.prints(/url redis/);
  process.kill(program.pid, 'SIGKILL');
  await until(() => asked().includes('down --volumes'), 5_000);
});

test('a client without an engine is passed over', async () => {
  const { env, asked } = dockerAnswering({ engine: false });
  const program = runModule(HOLD_A_REDIS, { env });
  await program.prints(/url undefined/);
  expect(asked()).not.toContain('up');
});
