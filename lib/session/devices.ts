/** What a list of sessions may say about the device behind each: enough to recognise one's own, too little to trace it. */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

export interface Device {
  /** The User-Agent header, its first 256 characters. */
  readonly userAgent: string | undefined;
  /** The network that the client was in: the IPv4 address' /24, the IPv6 address' /48. */
  readonly network: string | undefined;
}

const USER_AGENT_LENGTH = 256;
const IPV4_BITS = 24;
const IPV6_BITS = 48;

export function deviceOf(req: IncomingMessage): Device {
  // Express' `req.ip` heeds `trust proxy`.
  const address = (req as { ip?: string }).ip ?? req.socket?.remoteAddress;
  return {
    userAgent: req.headers['user-agent']?.slice(0, USER_AGENT_LENGTH),
    network: networkOf(address),
  };
}

function networkOf(address: string | undefined): string | undefined {
  const [bare = ''] = address?.split('%', 1) ?? [];
  if (!isIP(bare)) return undefined;
  // An IPv4-mapped IPv6 address comes out as IPv4.
  const ip = ipaddr.process(bare);
  return ip.kind() === 'ipv4'
    ? `${ipaddr.IPv4.networkAddressFromCIDR(`${ip}/${IPV4_BITS}`)}/${IPV4_BITS}`
    : `${ipaddr.IPv6.networkAddressFromCIDR(`${ip}/${IPV6_BITS}`)}/${IPV6_BITS}`;
}
