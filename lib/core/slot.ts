/** Which of a cluster's slots a key is in, as the Redis Cluster specification has it. */

const SLOTS = 16_384;
/** CRC16-XMODEM, the polynomial x^16 + x^12 + x^5 + 1. */
const POLYNOMIAL = 0x1021;
const BYTE_CRCS: Uint16Array = Uint16Array.from({ length: 256 }, (_, byte) => crcOf(byte));

/** The CRC16 of the key's hash tag where it has one, else of the whole key, modulo 16,384. */
export function slotOf(key: string): number {
  let crc = 0;
  for (const byte of Buffer.from(hashTagOf(key)))
    crc = ((crc << 8) ^ (BYTE_CRCS[((crc >> 8) ^ byte) & 0xff] as number)) & 0xffff;
  return crc % SLOTS;
}

/** What is between the first `{` and the first `}` after it, unless that is nothing. */
function hashTagOf(key: string): string {
  const open = key.indexOf('{');
  const close = open === -1 ? -1 : key.indexOf('}', open + 1);
  return close > open + 1 ? key.slice(open + 1, close) : key;
}

function crcOf(byte: number): number {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
  return crc & 0xffff;
}
