/** Keeps a copy of a body while it goes by, up to a size, and says in the end whether it was whole. */

export interface Recorder {
  /** False once there was too much; nothing is held from then on. */
  add(bytes: Uint8Array): boolean;
  /** The body as a client that heeds `declaredBytes` reads it; undefined when there was too much or too little. */
  take(declaredBytes: number | undefined): Buffer | undefined;
}

export function createRecorder(maxBodyBytes: number): Recorder {
  let chunks: Buffer[] = [];
  let size = 0;

  return {
    add(bytes) {
      size += bytes.byteLength;
      if (size > maxBodyBytes) chunks = [];
      // A copy: the handler may fill the same buffer again.
      else if (bytes.byteLength > 0) chunks.push(Buffer.from(bytes));
      return size <= maxBodyBytes;
    },
    take(declaredBytes) {
      if (size > maxBodyBytes || size < (declaredBytes ?? 0)) return undefined;
      return Buffer.concat(chunks).subarray(0, declaredBytes);
    },
  };
}
