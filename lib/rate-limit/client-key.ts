/** Who is asking: one identity per client, however the address is spelled. */
import { isIP, isIPv6 } from 'node:net';
import type { Request } from 'express';
import ipaddr from 'ipaddr.js';

/** All requests without an address (a Unix socket, a connection that is gone) are one client. */
const NO_ADDRESS = 'no-address';
/** All requests whose address is none (rubbish in a trusted X-Forwarded-For) are one client. */
const INVALID_ADDRESS = 'invalid-address';
/** Providers hand a customer /56 and sometimes /48, so that a single address is nobody's identity. */
const DEFAULT_IPV6_SUBNET = 56;

/** The address as Express sees it, or of the socket where there is no Express: nobody's headers are trusted there. */
export function addressOf(req: Request): string | undefined {
  return req.ip ?? req.socket?.remoteAddress;
}

/** An address without the port that some proxies append; rubbish becomes one fixed identity. */
export function cleanAddress(address: string | undefined): string {
  if (address === undefined || address === '') return NO_ADDRESS;
  if (isIP(address)) return address;
  const [, bracketed, dotted] = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d+)?$/.exec(address) ?? [];
  const bare = bracketed ?? dotted ?? '';
  return isIP(bare) ? bare : INVALID_ADDRESS;
}

/**
 * The key of an address: IPv4 as it stands, IPv6 as its subnet in CIDR notation, IPv4-mapped IPv6 as that IPv4.
 *
 * Use it in a `keyGenerator` that falls back to the address. What is no IPv6 address comes back unchanged.
 *
 * @param ipv6Subnet prefix length in bits, 1 to 128; false for the whole address
 */
export function ipKeyGenerator(ip: string, ipv6Subnet: number | false = DEFAULT_IPV6_SUBNET): string {
  if (!isIPv6(ip)) return ip;
  const address = ipaddr.IPv6.parse(withoutZone(ip));
  // The deprecated IPv4-compatible form `::192.0.2.1` counts as IPv4 only when spelled so; `::1` is in that range too.
  const isCompatible = ip.includes('.') && address.parts.slice(0, 6).every((part) => part === 0);
  if (address.isIPv4MappedAddress() || isCompatible) return lastFourBytes(address);
  if (!ipv6Subnet) return ip;
  const bits = isPrefixLength(ipv6Subnet) ? ipv6Subnet : DEFAULT_IPV6_SUBNET;
  return `${networkOf(address, bits)}/${bits}`;
}

/**
 * The same, for an address as a client may have spelled it: without a subnet, it is in the canonical text representation
 * (RFC 5952), and has no zone, which anybody can make up.
 */
export function keyOfAddress(address: string, ipv6Subnet: number | false): string {
  const key = ipKeyGenerator(address, ipv6Subnet);
  return isIPv6(key) ? ipaddr.IPv6.parse(withoutZone(key)).toRFC5952String() : key;
}

function withoutZone(address: string): string {
  return address.split('%', 1)[0] as string;
}

function isPrefixLength(bits: number): boolean {
  return Number.isInteger(bits) && bits >= 1 && bits <= 128;
}

function lastFourBytes(address: ipaddr.IPv6): string {
  return address.toByteArray().slice(12).join('.');
}

function networkOf(address: ipaddr.IPv6, bits: number): string {
  const bytes = address.toByteArray().map((byte, index) => byte & maskOfByte(bits - index * 8));
  return new ipaddr.IPv6(bytes).toRFC5952String();
}

function maskOfByte(bits: number): number {
  if (bits >= 8) return 0xff;
  return bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff;
}
