/** The Redis that a test run shares: a connected client, a namespace of one's own, and a look at what Redis was asked. */
import { randomBytes } from 'node:crypto';
import { createClient } from 'redis';
import { onTestEnd } from './cleanup.js';
import { sharedRedisUrl } from './redis-server.js';

export type TestClient = ReturnType<typeof createClient>;

/** A connected node-redis client, closed when the test ends. */
export async function connect(url: string = sharedRedisUrl()): Promise<TestClient> {
  const client = createClient({ url, socket: { reconnectStrategy: 50 } });
  client.on('error', () => {});
  await client.connect();
  onTestEnd(() => {
    if (client.isOpen) client.destroy();
  });
  return client as TestClient;
}

/** One command's reply, over a connection of its own. */
export async function ask(url: string, command: string[], user: object = {}): Promise<unknown> {
  const client = createClient({ url, ...user, RESP: 2, socket: { reconnectStrategy: false } });
  client.on('error', () => {});
  await client.connect();
  try {
    return await client.sendCommand(command);
  } finally {
    client.destroy();
  }
}

/** No two tests share keys. */
export function uniqueNamespace(): string {
  return `t${randomBytes(6).toString('hex')}`;
}

/** How often Redis ran each command, such as `{ evalsha: 3 }`, while `act` ran. Only for a server of one's own. */
export async function commandsDuring(
  client: TestClient,
  act: () => Promise<unknown>,
): Promise<Record<string, number>> {
  await client.configResetStat();
  await act();
  const stats = await client.info('commandstats');
  const counts: Record<string, number> = {};
  for (const [, name, calls] of stats.matchAll(/^cmdstat_([^:|]+)[^:]*:calls=(\d+)/gm)) {
    if (name === 'info' || name === 'config') continue;
    counts[name as string] = (counts[name as string] ?? 0) + Number(calls);
  }
  return counts;
}
