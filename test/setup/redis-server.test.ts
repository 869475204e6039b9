import { expect, test } from '@jest/globals';
import { createClient } from 'redis';
import { onTestEnd, runCleanUps } from '../support/cleanup.js';
import { RedisServer, stopAllServers } from '../support/redis-server.js';
import { isAlive } from './program.js';

async function clientOf(server: RedisServer) {
  const client = createClient({ url: server.url, socket: { reconnectStrategy: false } });
  client.on('error', () => {});
  await client.connect();
  onTestEnd(() => client.isOpen && client.destroy());
  return client;
}

test('a server takes more arguments and is empty again, on the same port, after a restart', async () => {
  const server = await RedisServer.start({ args: ['--maxmemory', '5mb'] });
  const { pid, url } = server;
  const before = await clientOf(server);
  await before.set('key', 'value');
  expect(await before.configGet('maxmemory')).toEqual({ maxmemory: '5242880' });

  await server.restart();
  expect(isAlive(pid)).toBe(false);
  expect(server.url).toBe(url);
  expect(await (await clientOf(server)).get('key')).toBeNull();
});

test('a frozen server answers nothing until it is thawed', async () => {
  const server = await RedisServer.start();
  const client = await clientOf(server);
  server.freeze();
  let hasAnswered = false;
  const answer = client.ping().then(() => {
    hasAnswered = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(hasAnswered).toBe(false);
  server.thaw();
  await answer;
});

test('even a frozen server is stopped, and a test that forgets one leaves nothing behind', async () => {
  const server = await RedisServer.start();
  const { pid } = server;
  server.freeze();
  await stopAllServers();
  expect(isAlive(pid)).toBe(false);
});

test('a port that is taken is an error when it was asked for', async () => {
  const { port } = await RedisServer.start();
  await expect(RedisServer.start({ port })).rejects.toThrow(/already in use/);
});

test('clean-ups run last first, all of them, and the failure of one is told', async () => {
  const ran: string[] = [];
  onTestEnd(() => ran.push('first'));
  onTestEnd(() => Promise.reject(new Error('no luck')));
  onTestEnd(() => ran.push('last'));
  await expect(runCleanUps()).rejects.toThrow('no luck');
  expect(ran).toEqual(['last', 'first']);
});
