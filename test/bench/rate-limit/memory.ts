/** What the key of one client weighs in Redis when its limit is used up. */
import type { Extra, Stage } from '../plan.js';
import type { ContenderSpec } from '../processes.js';
import { connect } from '../redis-view.js';
import { commandFor, flexible, ours, peer } from './contenders.js';

const LIMITS = [100, 1_000, 10_000];
const ADDRESS = '203.0.113.9';

export async function memoryPerKey({ redisUrl, say }: Stage): Promise<Extra> {
  const figures: Record<string, number> = {};
  const rows: string[][] = [['', ...LIMITS.map((limit) => `limit ${limit}`)]];
  for (const make of [ours, peer, flexible]) {
    say(`memory per key: ${make(0).name}`);
    const bytes: number[] = [];
    for (const limit of LIMITS) bytes.push(await bytesOf(make(limit), limit, redisUrl));
    rows.push([make(0).name, ...bytes.map(String)]);
    if (make === ours)
      for (const [index, limit] of LIMITS.entries()) figures[`bytesAt${limit}`] = bytes[index] ?? 0;
  }
  return { title: 'bytes per key with the limit used up (MEMORY USAGE)', rows, figures };
}

async function bytesOf(spec: ContenderSpec, limit: number, redisUrl: string): Promise<number> {
  const command = await commandFor(spec, ADDRESS, redisUrl);
  const client = await connect(redisUrl);
  try {
    await Promise.all(Array.from({ length: limit }, () => client.sendCommand([...command])));
    return Number(await client.memoryUsage(command[3] as string, { SAMPLES: 0 }));
  } finally {
    await client.flushAll();
    client.destroy();
  }
}
