/** A wire between an app and Redis that can be cut, slowed down or turned into a black hole while it is in use. */
import { execFileSync } from 'node:child_process';
import net from 'node:net';
import { onTestEnd } from './cleanup.js';

export interface Wire {
  readonly port: number;
  readonly url: string;
  /** Bytes go through again, on connections made from now on; those that were in the hole stay dead. */
  mend(): void;
  /** Nothing is answered any more, nothing is refused: packets just vanish, on old connections and on new ones. */
  swallow(): void;
  /** Every reply comes that much later. */
  delay(ms: number): void;
  /** All connections are reset; new ones are accepted. */
  reset(): void;
  /** Passes this many more bytes of replies on each connection, new ones too, then resets it. */
  breakAfter(bytes: number): void;
  /** Passes this many more bytes of replies on each connection that there is, and then nothing any more. */
  stallAfter(bytes: number): void;
  close(): Promise<void>;
}

type Mode = 'pass' | 'swallow';

/** In a network namespace of its own, which `npm run faults` makes where it may, packets are dropped for real. */
const hasPacketFilter = process.env.PACKET_FILTER === 'nft';

/** Listens on a free loopback port and passes everything on to `port`, until the test ends. */
export async function wireTo(port: number): Promise<Wire> {
  const pairs = new Set<Pair>();
  let mode: Mode = 'pass';
  let delayMs = 0;
  let breaksAfter = Number.POSITIVE_INFINITY;

  const server = net.createServer(function connect(near) {
    const isDead = mode === 'swallow' && !hasPacketFilter;
    const pair: Pair = { near, far: undefined, isDead, bytesLeft: breaksAfter, stalls: false, held: [] };
    pairs.add(pair);
    near.on('error', () => {});
    near.on('close', () => {
      pairs.delete(pair);
      pair.far?.destroy();
    });
    if (pair.isDead) return void near.resume();

    const far = net.connect(port, '127.0.0.1');
    pair.far = far;
    far.on('error', () => near.resetAndDestroy());
    far.on('close', () => pair.isDead || near.destroy());
    near.on('data', (data) => pair.isDead || far.write(data));
    far.on('data', (data) => {
      if (pair.isDead) return;
      if (delayMs > 0) return hold(pair, data, delayMs);
      const passed = data.subarray(0, pair.bytesLeft);
      pair.bytesLeft -= passed.length;
      pair.isDead = passed.length < data.length;
      near.write(passed, () => pair.isDead && !pair.stalls && near.resetAndDestroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as net.AddressInfo;

  const close = () =>
    new Promise<void>((resolve) => {
      for (const { near } of pairs) near.destroy();
      server.close(() => resolve());
    });
  onTestEnd(close);
  return {
    port: address.port,
    url: `redis://127.0.0.1:${address.port}`,
    mend() {
      if (hasPacketFilter && mode === 'swallow') nft(`delete table inet wire${address.port}`);
      mode = 'pass';
      delayMs = 0;
      for (const pair of pairs) while (pair.held.length > 0) passNext(pair);
      breaksAfter = Number.POSITIVE_INFINITY;
    },
    swallow() {
      mode = 'swallow';
      if (hasPacketFilter) return dropPackets(address.port);
      for (const pair of pairs) pair.isDead = true;
    },
    delay(ms) {
      delayMs = ms;
    },
    reset() {
      for (const { near } of pairs) near.resetAndDestroy();
    },
    breakAfter(bytes) {
      breaksAfter = bytes;
      for (const pair of pairs) pair.bytesLeft = bytes;
    },
    stallAfter(bytes) {
      for (const pair of pairs) Object.assign(pair, { bytesLeft: bytes, stalls: true });
    },
    close,
  };
}

interface Pair {
  readonly near: net.Socket;
  far: net.Socket | undefined;
  isDead: boolean;
  bytesLeft: number;
  stalls: boolean;
  /** Late bytes, which nothing may overtake. */
  readonly held: Buffer[];
}

function hold(pair: Pair, data: Buffer, delayMs: number): void {
  pair.held.push(data);
  setTimeout(passNext, delayMs, pair).unref();
}

function passNext({ near, held }: Pair): void {
  const next = held.shift();
  if (next !== undefined && !near.destroyed) near.write(next);
}

function dropPackets(port: number): void {
  const drop = (side: string) => `add rule inet wire${port} lost tcp ${side} ${port} drop`;
  const chain = `add chain inet wire${port} lost { type filter hook input priority 0; }`;
  nft([`add table inet wire${port}`, chain, drop('dport'), drop('sport')].join('\n'));
}

function nft(commands: string): void {
  execFileSync('nft', ['-f', '-'], { input: `${commands}\n` });
}
