/** The name of one lease or one mark: nobody can guess it, so nobody else can end it. */
import { randomBytes } from 'node:crypto';

export function newToken(): string {
  return randomBytes(12).toString('base64url');
}
