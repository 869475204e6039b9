/** Decodes stored responses as they are read; what is read again and again is decoded once. */
import { LRUCache } from 'lru-cache';
import { decodeEntry, type Entry } from './entry.js';

/** The entry in `bytes`, if it is one that was meant for that variant of the page under `key`. */
export type Decoder = (bytes: Buffer, key: string, variant: string) => Entry | undefined;

/** From this process' own memory the same bytes come again. */
export function decoderOfOwnBytes(): Decoder {
  const decoded = new WeakMap<Buffer, { readonly variant: string; readonly entry: Entry | undefined }>();
  return function decodeOnce(bytes, _key, variant) {
    const known = decoded.get(bytes);
    if (known?.variant === variant) return known.entry;
    const entry = decodeEntry(bytes, variant);
    decoded.set(bytes, { variant, entry });
    return entry;
  };
}

interface Known {
  /** All that comes before the body, byte for byte. */
  readonly head: Buffer;
  /** Of the head and the body. */
  readonly length: number;
  readonly response: Omit<Entry, 'body'>;
}

const MAX_HEAD_BYTES = 4 * 1024 * 1024;
/** What comes of a head, in memory, beside a copy of its bytes: about as much as the text, twice, and the objects. */
const SIZE_OF_DECODED = 4;
const OVERHEAD_BYTES = 1_000;

/** From Redis other bytes come each time, but they begin alike for as long as the page is the same. */
export function decoderOfCopies(): Decoder {
  const heads = new LRUCache<string, Known>({
    maxSize: MAX_HEAD_BYTES,
    sizeCalculation: ({ head }, place) => OVERHEAD_BYTES + 2 * place.length + SIZE_OF_DECODED * head.length,
  });
  return function decodeCopy(bytes, key, variant) {
    const place = key + variant;
    const known = heads.get(place);
    if (known !== undefined && known.response.variant === variant && beginsAsKnown(bytes, known))
      return { ...known.response, body: bytes.subarray(known.head.length) };
    const entry = decodeEntry(bytes, variant);
    if (entry === undefined) return undefined;
    const { body, ...response } = entry;
    // Not from node's pool, of which every piece that is held holds 8 KB.
    const head = Buffer.alloc(bytes.length - body.length);
    bytes.copy(head);
    heads.set(place, { head, length: bytes.length, response });
    return entry;
  };
}

function beginsAsKnown(bytes: Buffer, { head, length }: Known): boolean {
  return bytes.length === length && bytes.compare(head, 0, head.length, 0, head.length) === 0;
}
