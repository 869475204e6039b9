/** Keys stay readable, short, distinct and harmless, whatever a client sends as its id. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { namespacePrefix, spellId, tagged } from '../../lib/core/keys.js';

const IDS = 20_000;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
const HARMFUL = /[{}*?[\]\\^"'\s\u0000-\u001f\u007f-\uffff]/;

const hostileId = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ minLength: 0, maxLength: 400 }),
  fc
    .array(fc.integer({ min: 0xd7ff, max: 0xe000 }), { maxLength: 8 })
    .map((units) => String.fromCharCode(...units)),
  fc.constantFrom('', '*', '{}', '}{', '{a}b', '[a-z]', '\\', '\r\nFLUSHALL\r\n', '\0', '../..', '!', 'a!b'),
  fc.string({
    unit: fc.constantFrom('a', 'A', '!', '{', '}', '*', '\0', 'é'),
    minLength: 30,
    maxLength: 130,
  }),
);

test(`${IDS} hostile ids: no two share a spelling, none is over 200 bytes or holds a harmful character`, () => {
  const ids = new Set(fc.sample(hostileId, { numRuns: IDS * 2, seed: 42 }));
  expect(ids.size).toBeGreaterThanOrEqual(IDS / 2);
  for (let index = 0; ids.size < IDS; index += 1) ids.add(`${'x'.repeat(index % 200)}{${index}}`);

  const spellings = new Set<string>();
  for (const id of ids) {
    const spelled = spellId(id);
    expect(HARMFUL.test(spelled)).toBe(false);
    expect(Buffer.byteLength(`${'n'.repeat(40)}:rl:${'m'.repeat(30)}:{${spelled}}`)).toBeLessThanOrEqual(200);
    spellings.add(spelled);
  }
  expect(spellings.size).toBe(ids.size);
});

test('hostile ids spread evenly over the slots of a cluster', () => {
  const buckets = new Array<number>(16).fill(0);
  const ids = [...new Set(fc.sample(hostileId, { numRuns: IDS, seed: 7 }))];
  for (const id of ids) buckets[slotOf(tagged(id)) >> 10]! += 1;
  const even = ids.length / buckets.length;
  for (const count of buckets) expect(Math.abs(count - even)).toBeLessThan(even * 0.2);
});

test('a plain id stands in its key as it is, so that redis-cli shows it', () => {
  for (const id of [
    '203.0.113.7',
    '2001:db8:1234:5600::/56',
    'user@example.com',
    'user:42',
    'a/b=c+d~e_f-g',
  ]) {
    expect(spellId(id)).toBe(id);
  }
});

test('another id keeps a readable head and never looks like a plain one', () => {
  expect(spellId('Jürgen {admin}')).toMatch(/^J_rgen__admin_![A-Za-z0-9_-]{43}$/);
  expect(spellId('x'.repeat(121))).toMatch(/^x{40}![A-Za-z0-9_-]{43}$/);
});

test('lone surrogates, which UTF-8 would fold together, stay distinct', () => {
  expect(new Set(['\ud800', '\ud801', '\udc00', '\ufffd'].map(spellId)).size).toBe(4);
});

describe('a namespace', () => {
  test.each([
    [undefined, ''],
    ['', ''],
    ['shop', 'shop:'],
    ['shop:', 'shop:'],
    ['eu/shop-1', 'eu/shop-1:'],
  ])('%p becomes the prefix %p', (namespace, prefix) => {
    expect(namespacePrefix(namespace)).toBe(prefix);
  });

  test.each([['a b'], ['{a}'], ['*'], [':a'], ['é'], ['x'.repeat(41)], [42], [null]])(
    '%p is refused',
    (namespace) => {
      expect(() => namespacePrefix(namespace as string)).toThrow(
        expect.objectContaining({ code: 'ERS_INVALID_OPTION', help: 'docs/errors.md#ers_invalid_option' }),
      );
    },
  );
});

/** CRC16-CCITT of the hash tag, as https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/ has it. */
function slotOf(key: string): number {
  const tag = /\{([^}]+)\}/.exec(key)?.[1] ?? key;
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1)
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc % 16_384;
}
