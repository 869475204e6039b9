/** A way to Postgres that can be shut, and on which what is sent can be held up. */
import net from 'node:net';
import { onTestEnd } from '../support/cleanup.js';

export interface Gate {
  readonly url: string;
  /** Cuts all connections and refuses new ones. */
  shut(): void;
  reopen(): Promise<void>;
  hold(): void;
  held(): number;
  release(): void;
}

export async function openGate(url: string): Promise<Gate> {
  const target = new URL(url);
  const [host, postgresPort] = [target.hostname, Number(target.port)];
  const sockets = new Set<net.Socket>();
  let isHolding = false;
  let waiting: (() => void)[] = [];

  const gate = net.createServer((client) => {
    const postgres = net.connect(postgresPort, host);
    for (const socket of [client, postgres]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    }
    client.on('close', () => postgres.destroy());
    postgres.on('close', () => client.destroy());
    postgres.pipe(client);
    client.on('data', (bytes) => {
      if (isHolding) waiting.push(() => postgres.write(bytes));
      else postgres.write(bytes);
    });
  });
  const listen = (port: number) => new Promise<void>((resolve) => gate.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = gate.address() as net.AddressInfo;
  const shut = () => {
    gate.close();
    for (const socket of sockets) socket.destroy();
  };
  onTestEnd(shut);
  target.host = `127.0.0.1:${port}`;
  return {
    url: target.href,
    shut,
    reopen: () => listen(port),
    hold: () => {
      isHolding = true;
    },
    held: () => waiting.length,
    release: () => {
      isHolding = false;
      for (const send of waiting) send();
      waiting = [];
    },
  };
}
