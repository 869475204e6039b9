/** Passwords at rest: scrypt with a salt per user, and the same work whether or not there is such a user. */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const SALT_BYTES = 16;
const KEY_BYTES = 32;
const NOBODY = `${Buffer.alloc(SALT_BYTES).toString('base64url')}.${Buffer.alloc(KEY_BYTES).toString('base64url')}`;

const derive = promisify(scrypt) as (password: string, salt: Buffer, bytes: number) => Promise<Buffer>;

/** `<salt>.<key>`, both base64url; Node's default cost (N 16384, r 8, p 1). */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(password, salt, KEY_BYTES);
  return `${salt.toString('base64url')}.${key.toString('base64url')}`;
}

/** False for `stored` undefined, after the same work: the time of an answer must not tell who has an account. */
export async function isPassword(password: string, stored: string | undefined): Promise<boolean> {
  const [salt = '', key = ''] = (stored ?? NOBODY).split('.');
  const derived = await derive(password, Buffer.from(salt, 'base64url'), KEY_BYTES);
  const expected = Buffer.from(key, 'base64url');
  return expected.length === KEY_BYTES && timingSafeEqual(derived, expected) && stored !== undefined;
}
