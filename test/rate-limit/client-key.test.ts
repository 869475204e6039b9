// One identity per client, however its address is spelled.
import { randomBytes, randomInt } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import express from 'express';
import { ipKeyGenerator as theirs } from 'express-rate-limit';
import { ipKeyGenerator, type RateLimitOptions, rateLimit } from 'express-redis-suite/rate-limit';
import { serve } from '../support/http.js';

async function identities(forwarded: readonly string[], options: RateLimitOptions = {}): Promise<string[]> {
  const app = express();
  app.set('trust proxy', 1);
  app.use(rateLimit({ validate: false, limit: 1_000, ...options }));
  app.get('/', (req, res) => void res.send((req as unknown as { rateLimit: { key: string } }).rateLimit.key));
  const served = await serve(app);
  const keys: string[] = [];
  for (const address of forwarded) keys.push((await served.get('/', { 'x-forwarded-for': address })).text);
  return keys;
}

describe('The key of a client', () => {
  test('is spelled as express-rate-limit spells it, for any address', () => {
    const fixed = [
      ...[
        '::1',
        '::',
        '1.2.3.4',
        '::ffff:1.2.3.4',
        '::ffff:102:304',
        '::1.2.3.4',
        '::102:304',
        'rubbish',
        '',
      ],
      ...['2001:0DB8::0001', '0:0:1::', '64:ff9b::1.2.3.4', '1::1.2.3.4', '2001:db8:0:0:1:0:0:1'],
      ...['fe80::1%eth0', '::ffff:1.2.3.4%eth0', '1:0:2:0:3:0:4:0', '::ffff:0:1.2.3.4'],
    ];
    const random = Array.from({ length: 500 }, randomAddress);
    expect(random.every(isIPv6)).toBe(true);
    for (const address of [...fixed, ...random]) {
      for (const subnet of [undefined, 32, 48, 52, 56, 60, 64, 1, 77, 128, false] as const) {
        expect([address, subnet, ipKeyGenerator(address, subnet)]).toEqual([
          address,
          subnet,
          theirs(address, subnet),
        ]);
      }
    }
  });

  test('is one for all addresses of a /56, so that rotating them gains nothing', async () => {
    const rotated = Array.from(
      { length: 20 },
      () => `2001:db8:1:2${randomHex(1)}:${randomHex(2)}::${randomHex(2)}`,
    );
    expect(new Set(await identities(rotated))).toEqual(new Set(['2001:db8:1:200::/56']));
  });

  test('is the IPv4 address when that is mapped into IPv6', async () => {
    const spellings = ['203.0.113.9', '::ffff:203.0.113.9', '::ffff:cb00:7109', '::FFFF:203.0.113.9'];
    expect(new Set(await identities(spellings))).toEqual(new Set(['203.0.113.9']));
    expect(await identities(['::ffff:203.0.113.8'])).toEqual(['203.0.113.8']);
  });

  test('has no port in it', async () => {
    const keys = await identities([
      '203.0.113.9:1',
      '203.0.113.9:65535',
      '[2001:db8::1]:443',
      '[2001:db8::2]',
    ]);
    expect(keys).toEqual(['203.0.113.9', '203.0.113.9', '2001:db8::/56', '2001:db8::/56']);
  });

  test('is one and the same for all rubbish', async () => {
    const rubbish = [
      'unknown',
      'a',
      'b',
      '203.0.113',
      '203.0.113.9:x',
      '1.2.3.4.5',
      '[::',
      "' OR 1=1",
      '1.2.3.4 x',
    ];
    expect(new Set(await identities(rubbish))).toEqual(new Set(['invalid-address']));
  });

  test('is the socket’s address in plain node:http', async () => {
    const limiter = rateLimit({ validate: false });
    const served = await serve((req, res) => {
      limiter(req as never, res as never, () => {
        res.end((req as unknown as { rateLimit: { key: string } }).rateLimit.key);
      });
    });
    expect((await served.get('/', { 'x-forwarded-for': '203.0.113.9' })).text).toBe('127.0.0.1');
  });

  test('is one for all spellings of an address that is a client by itself', async () => {
    const spellings = [
      '2001:db8::1',
      '2001:DB8:0:0:0::1',
      '2001:0db8:0000::0001',
      '2001:db8::0.0.0.1',
      '2001:db8::1%a',
      '[2001:db8::1]:443',
    ];
    for (const ipv6Subnet of [false, async () => false as unknown as number] as const) {
      expect(new Set(await identities(spellings, { ipv6Subnet }))).toEqual(new Set(['2001:db8::1']));
      expect(await identities(['::ffff:203.0.113.9', '::FFFF:cb00:7109'], { ipv6Subnet })).toEqual([
        '203.0.113.9',
        '203.0.113.9',
      ]);
    }
  });

  test('may be narrowed or widened for IPv6, by a function too', async () => {
    expect(ipKeyGenerator('2001:db8:1:2345::1', 48)).toBe('2001:db8:1::/48');
    const app = express();
    app.set('trust proxy', 1);
    app.use(rateLimit({ validate: false, ipv6Subnet: async () => 64 }));
    app.get(
      '/',
      (req, res) => void res.send((req as unknown as { rateLimit: { key: string } }).rateLimit.key),
    );
    const served = await serve(app);
    expect((await served.get('/', { 'x-forwarded-for': '2001:db8:1:2345::1' })).text).toBe(
      '2001:db8:1:2345::/64',
    );
  });
});

function randomHex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

/** With runs of zeros, where spellings differ most. */
function randomAddress(): string {
  const groups = Array.from({ length: 8 }, () => (randomInt(3) === 0 ? randomInt(65_536).toString(16) : '0'));
  return groups.join(':');
}
