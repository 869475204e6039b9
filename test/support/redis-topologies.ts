/** A Redis Cluster of three masters and a Sentinel over a master, made of servers of one's own on free ports. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from './redis.js';
import { RedisServer } from './redis-server.js';
import { until } from './until.js';
import { watchOver } from './watchdog.js';

const SLOTS = 16_384;
const NODES = 3;
const FORMED_WITHIN_MS = 15_000;

export interface RedisCluster {
  readonly nodes: readonly RedisServer[];
  readonly ports: readonly number[];
  /** Whether all nodes know each other, and that each slot is served. */
  isWell(): Promise<boolean>;
  stop(): Promise<void>;
}

/**
 * @param further arguments of its servers
 * @param count how many masters
 */
export async function startCluster(further: readonly string[] = [], count = NODES): Promise<RedisCluster> {
  const args = [
    '--cluster-enabled',
    'yes',
    '--cluster-config-file',
    'nodes.conf',
    '--cluster-node-timeout',
    '2000',
    ...further,
  ];
  const nodes = await Promise.all(Array.from({ length: count }, () => RedisServer.start({ args })));
  const [first] = nodes as [RedisServer, ...RedisServer[]];
  for (const [index, node] of nodes.entries()) {
    const from = Math.ceil((index * SLOTS) / count);
    const to = Math.ceil(((index + 1) * SLOTS) / count);
    const slots = Array.from({ length: to - from }, (_, offset) => String(from + offset));
    await ask(node.url, ['CLUSTER', 'ADDSLOTS', ...slots]);
    if (node !== first) await ask(node.url, ['CLUSTER', 'MEET', '127.0.0.1', String(first.port)]);
  }
  const isWell = async () =>
    !(await Promise.all(nodes.map((node) => hasFormed(node.url, count)))).includes(false);
  await until(isWell, FORMED_WITHIN_MS);
  return {
    nodes,
    ports: nodes.map((node) => node.port),
    isWell,
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}

async function hasFormed(url: string, count: number): Promise<boolean> {
  const info = String(await ask(url, ['CLUSTER', 'INFO']).catch(() => ''));
  return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${count}`);
}

export interface RedisSentinel {
  readonly master: RedisServer;
  /** Takes over half a second after the master is gone. */
  readonly replica: RedisServer | undefined;
  /** Of the one Sentinel. */
  readonly port: number;
  /** What the Sentinel calls the master. */
  readonly name: string;
  stop(): Promise<void>;
}

export interface SentinelOptions {
  readonly hasReplica?: boolean;
  /** Further arguments of the servers. */
  readonly args?: readonly string[];
}

export async function startSentinel({
  hasReplica = false,
  args = [],
}: SentinelOptions = {}): Promise<RedisSentinel> {
  const name = 'main';
  const master = await RedisServer.start({ args });
  const replicating = ['--replicaof', '127.0.0.1', String(master.port)];
  const replica = hasReplica ? await RedisServer.start({ args: [...args, ...replicating] }) : undefined;
  const folder = mkdtempSync(join(tmpdir(), 'express-redis-suite-test-sentinel-'));
  const port = master.port + 1;
  const config = join(folder, 'sentinel.conf');
  writeFileSync(
    config,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor ${name} 127.0.0.1 ${master.port} 1`,
      `sentinel down-after-milliseconds ${name} ${hasReplica ? 500 : 30_000}`,
      `sentinel failover-timeout ${name} 5000`,
    ].join('\n'),
  );
  const child = spawn(process.env.REDIS_SERVER_BIN ?? 'redis-server', [config, '--sentinel'], {
    cwd: folder,
    detached: true,
    stdio: 'ignore',
  });
  child.unref();
  const release = watchOver({ pid: child.pid as number, folder });
  const url = `redis://127.0.0.1:${port}`;
  await until(() => isAnswering(url), FORMED_WITHIN_MS);
  if (replica) await until(() => knowsReplica(url, name), FORMED_WITHIN_MS);
  return {
    master,
    replica,
    port,
    name,
    stop: async () => {
      child.kill('SIGKILL');
      release();
      rmSync(folder, { recursive: true, force: true });
      await Promise.all([master.stop(), replica?.stop()]);
    },
  };
}

async function knowsReplica(url: string, name: string): Promise<boolean> {
  return ((await ask(url, ['SENTINEL', 'REPLICAS', name])) as unknown[]).length > 0;
}

function isAnswering(url: string): Promise<boolean> {
  return ask(url, ['PING']).then(Boolean, () => false);
}
