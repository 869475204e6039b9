/** Sessions encrypted at rest: AES-256-GCM under a key of each session's own. */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { SessionData } from 'express-session';
import { invalidOption } from '../core/errors.js';
import type { Codec, Entry, Particulars } from './codec.js';
import { cookieLifetimeMs } from './lifetime.js';

export interface EncryptionOptions {
  /**
   * Secrets of 32 random bytes or more, such as `openssl rand -base64 32` prints. The first one encrypts, all decrypt: put a
   * new one first, and drop the old one when no session is older than it. Each process needs the new one before any
   * writes with it.
   */
  readonly keys: readonly (string | Buffer)[];
}

/**
 * `ers1.<key>.<created>.<lifetime>.<nonce, tag and ciphertext>`: what the scripts have to see stands in the open, and the
 * tag vouches for it and for the session's id, so that an entry is worth nothing under another id.
 */
const SEALED = /^(ers1\.([\w-]{8})\.(\d{0,16})\.\d{0,16}\.)([\w-]{38,})$/;
/** NIST SP 800-38D 5.2.1.1: 96 bits are the recommended length. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const LEAST_SECRET_BYTES = 32;
const CIPHER = 'aes-256-gcm';

interface Secret {
  readonly keyId: string;
  readonly root: Buffer;
}

/** @throws SuiteError ERS_INVALID_OPTION */
export function sealedCodec(inner: Codec, { keys }: EncryptionOptions): Codec {
  const secrets = requireKeys(keys).map(secretOf);
  const [first] = secrets as [Secret];
  const byId = new Map(secrets.map((secret) => [secret.keyId, secret]));

  function seal(text: string, session: SessionData, { createdMs, id }: Particulars): string {
    const head = `ers1.${first.keyId}.${createdMs ?? ''}.${lifetimeFor(session)}.`;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, keyOf(first, id), nonce);
    cipher.setAAD(boundTo(head, id));
    const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return head + Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url');
  }

  function open(text: string, id: string): { plain: string; createdMs: number | undefined } | undefined {
    const [, head = '', keyId = '', created = '', body = ''] = SEALED.exec(text) ?? [];
    const secret = byId.get(keyId);
    if (secret === undefined) return undefined;
    const bytes = Buffer.from(body, 'base64url');
    const decipher = createDecipheriv(CIPHER, keyOf(secret, id), bytes.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(boundTo(head, id));
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    try {
      const plain = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8');
      return {
        plain: plain + decipher.final('utf8'),
        createdMs: created === '' ? undefined : Number(created),
      };
    } catch {
      return undefined;
    }
  }

  return {
    encode(session, particulars) {
      const text = inner.encode(session, { id: particulars.id, createdMs: undefined });
      if (typeof text === 'string') return seal(text, session, particulars);
      return text.then((later) => seal(later, session, particulars));
    },

    decode(text, id) {
      const opened = open(text, id);
      if (opened === undefined) return undefined;
      const { plain, createdMs } = opened;
      const withCreated = (entry: Entry | undefined) => entry && { ...entry, createdMs };
      const entry = inner.decode(plain, id);
      return entry instanceof Promise ? entry.then(withCreated) : withCreated(entry);
    },
  };
}

/** Nothing stands for the store's own; 0 for one that only the process can tell. */
function lifetimeFor(session: SessionData): string {
  const lifetimeMs = cookieLifetimeMs(session);
  if (lifetimeMs === null) return '';
  return String(Math.min(Math.max(Math.ceil(lifetimeMs ?? 0), 0), Number.MAX_SAFE_INTEGER));
}

function boundTo(head: string, id: string): Buffer {
  return Buffer.from(`${head}\n${id}`);
}

/** RFC 5869; the secret need not be of the cipher's length. */
function secretOf(secret: string | Buffer): Secret {
  const root = Buffer.from(hkdfSync('sha256', secret, '', 'express-redis-suite session encryption', 32));
  return { root, keyId: createHmac('sha256', root).update('its name').digest('base64url').slice(0, 8) };
}

/** A key for each session: random nonces under one key for all would begin to meet after 2^32 saves. */
function keyOf({ root }: Secret, id: string): Buffer {
  return createHmac('sha256', root).update(`session ${id}`).digest();
}

function requireKeys(keys: unknown): readonly (string | Buffer)[] {
  if (Array.isArray(keys) && keys.length > 0 && keys.every(isLongEnough)) return keys;
  throw invalidOption(
    'encryption',
    '***',
    'Give keys: [...], the newest first, each of 32 random bytes or more: openssl rand -base64 32',
  );
}

export function isLongEnough(secret: unknown): secret is string | Buffer {
  if (typeof secret !== 'string' && !Buffer.isBuffer(secret)) return false;
  return Buffer.byteLength(secret) >= LEAST_SECRET_BYTES;
}
