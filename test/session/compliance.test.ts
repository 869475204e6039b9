/** The case list for any store of express-session, run on this one, on connect-redis and on express-session's own. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { RedisStore } from 'connect-redis';
import { RedisSessionStore } from 'express-redis-suite/session';
import expressSession from 'express-session';
import { onTestEnd } from '../support/cleanup.js';
import { clientKinds, startServers } from '../support/client-kinds.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { cases, type MakeStore, scoreOf } from './compliance.js';
import { PATIENT } from './support.js';

const ONE_RUN_MS = 60_000;

const ours: MakeStore = async () =>
  new RedisSessionStore({ client: await connect(), prefix: `${uniqueNamespace()}:`, ...PATIENT });
const peers: Readonly<Record<string, MakeStore>> = {
  'connect-redis': async () => new RedisStore({ client: await connect(), prefix: `${uniqueNamespace()}:` }),
  MemoryStore: async () => new expressSession.MemoryStore(),
};

describe('RedisSessionStore', () => {
  it.each(cases.map((each) => [each.group, each.name, each] as const))('%s: %s', (_group, _name, { run }) =>
    run(ours),
  );
});

describe.each(Object.entries(peers))('%s', (name, make) => {
  it(
    'has a score of its own, and no case of its core fails',
    async () => {
      const { passed, total, failed } = await scoreOf(make);
      process.stdout.write(
        `${name}: ${passed} of ${total} (RedisSessionStore: ${total})\n${failed.map((each) => `  fails ${each}\n`).join('')}`,
      );
      expect(passed).toBeLessThan(total);
      expect(failed.filter((each) => each.startsWith('core'))).toEqual([]);
    },
    ONE_RUN_MS,
  );
});

describe('the core cases', () => {
  const core = cases.filter(({ group }) => group === 'core');
  const servers = startServers();

  it.each(clientKinds)(
    'pass on $name',
    async (kind) => {
      const { client, connect: open, close } = kind.open(servers);
      client.on('error', () => {});
      onTestEnd(close);
      await open();
      const store = async () =>
        new RedisSessionStore({ client, prefix: `${uniqueNamespace()}:`, ...PATIENT });
      expect((await scoreOf(store, core)).failed).toEqual([]);
      // A pool that is closed while it opens connections leaves those open.
      await sleep(500);
    },
    ONE_RUN_MS,
  );
});
