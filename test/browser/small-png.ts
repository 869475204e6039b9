/** Makes Chromium's pictures small enough for a repository: at most 256 colours, which is all that a page of text needs. */
import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE_LENGTH = 8;
const BYTES_PER_PIXEL = 3;
const MOST_COLOURS = 256;

/** Of an RGB picture without transparency, 8 bits deep and not interlaced, as Chromium writes it (PNG, 3rd edition). */
export function smallPng(png: Buffer): Buffer {
  const chunks = chunksOf(png);
  const header = chunks.find(({ type }) => type === 'IHDR')?.data as Buffer;
  const [width, height, depth, colourType] = [
    header.readUInt32BE(0),
    header.readUInt32BE(4),
    header[8],
    header[9],
  ];
  if (depth !== 8 || colourType !== 2) throw new Error('not an RGB picture');
  const data = Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map((chunk) => chunk.data));
  const pixels = unfiltered(inflateSync(data), width * BYTES_PER_PIXEL, height);
  const { palette, indexes } = indexed(pixels);

  const rows = Buffer.alloc(height * (width + 1));
  for (let y = 0; y < height; y += 1) indexes.copy(rows, y * (width + 1) + 1, y * width, (y + 1) * width);
  const indexedHeader = Buffer.from(header);
  indexedHeader[9] = 3;
  return Buffer.concat([
    png.subarray(0, SIGNATURE_LENGTH),
    chunk('IHDR', indexedHeader),
    chunk('PLTE', palette),
    chunk('IDAT', deflateSync(rows, { level: 9, memLevel: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
}

function chunksOf(png: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = SIGNATURE_LENGTH; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    chunks.push({ type, data: png.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

/** Section 9: each row says how its bytes were predicted from those to the left, above, and above to the left. */
function unfiltered(filtered: Buffer, rowBytes: number, height: number): Buffer {
  const pixels = Buffer.alloc(rowBytes * height);
  for (let y = 0; y < height; y += 1) {
    const filter = filtered[y * (rowBytes + 1)] as number;
    for (let x = 0; x < rowBytes; x += 1) {
      const at = y * rowBytes + x;
      const left = x >= BYTES_PER_PIXEL ? (pixels[at - BYTES_PER_PIXEL] as number) : 0;
      const above = y > 0 ? (pixels[at - rowBytes] as number) : 0;
      const corner = x >= BYTES_PER_PIXEL && y > 0 ? (pixels[at - rowBytes - BYTES_PER_PIXEL] as number) : 0;
      pixels[at] = (filtered[y * (rowBytes + 1) + 1 + x] as number) + predict(filter, left, above, corner);
    }
  }
  return pixels;
}

function predict(filter: number, left: number, above: number, corner: number): number {
  if (filter === 4) return paeth(left, above, corner);
  return filter === 3 ? (left + above) >> 1 : filter === 2 ? above : filter === 1 ? left : 0;
}

function paeth(left: number, above: number, corner: number): number {
  const [toLeft, toAbove] = [Math.abs(above - corner), Math.abs(left - corner)];
  const toCorner = Math.abs(left + above - 2 * corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

/** The commonest colours as they are; each of the others becomes the nearest of these. */
function indexed(pixels: Buffer): { palette: Buffer; indexes: Buffer } {
  const counts = new Map<number, number>();
  for (let at = 0; at < pixels.length; at += BYTES_PER_PIXEL) {
    const colour = pixels.readUIntBE(at, BYTES_PER_PIXEL);
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const byFrequency = [...counts].sort((one, other) => other[1] - one[1]).map(([colour]) => colour);
  const kept = byFrequency.slice(0, MOST_COLOURS);
  const places = new Map(kept.map((colour, place) => [colour, place]));
  for (const colour of byFrequency.slice(MOST_COLOURS)) places.set(colour, nearest(colour, kept));

  const palette = Buffer.alloc(kept.length * BYTES_PER_PIXEL);
  for (const [place, colour] of kept.entries())
    palette.writeUIntBE(colour, place * BYTES_PER_PIXEL, BYTES_PER_PIXEL);
  const indexes = Buffer.alloc(pixels.length / BYTES_PER_PIXEL);
  for (let at = 0; at < indexes.length; at += 1) {
    indexes[at] = places.get(pixels.readUIntBE(at * BYTES_PER_PIXEL, BYTES_PER_PIXEL)) as number;
  }
  return { palette, indexes };
}

function nearest(colour: number, kept: readonly number[]): number {
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (const [place, other] of kept.entries()) {
    const distance = [16, 8, 0].reduce((sum, shift) => {
      const difference = ((colour >> shift) & 255) - ((other >> shift) & 255);
      return sum + difference * difference;
    }, 0);
    if (distance < least) [best, least] = [place, distance];
  }
  return best;
}
