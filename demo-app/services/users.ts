/** The shop's accounts: read through the cache, written with the cache held back while the write is under way. */
import type { Cache, RowChange } from 'express-redis-suite/cache-aside';
import type { Sql } from '../database/pool.js';
import { isPassword } from './passwords.js';

/** The password hash is no part of it: it never leaves this file. */
interface User {
  readonly id: number;
  readonly email: string;
  readonly name: string;
}

export interface Users {
  /** An active account, from the cache when it is there. */
  find(id: number): Promise<User | undefined>;
  rename(id: number, name: string): Promise<User | undefined>;
  /** The account of that address in any spelling, if the password is its own. */
  authenticate(email: string, password: string): Promise<User | undefined>;
}

/** On everything cached here: what goes when changes may have been missed. */
export const USER_TAG = 'users';
const TAGGED = { tags: [USER_TAG] };
const PREFIX = 'user:';

export function createUsers(sql: Sql, cache: Cache): Users {
  return {
    find(id) {
      return cache.getOrLoad(
        keyOf(id),
        async function loadUser() {
          const [user] = await sql<User[]>`
          select id, email, name from users where id = ${id} and is_active
        `;
          return user;
        },
        TAGGED,
      );
    },

    rename(id, name) {
      return cache.write(keyOf(id), async function updateUser() {
        const [user] = await sql<User[]>`
          update users set name = ${name} where id = ${id} and is_active returning id, email, name
        `;
        return user;
      });
    },

    async authenticate(email, password) {
      const found = await findActive(sql, email);
      if (!(await isPassword(password, found?.hash ?? undefined)) || found === undefined) return undefined;
      return { id: found.id, email: found.email, name: found.name };
    },
  };
}

/** Through the partial index: closed accounts are not in it, and the address of one may be somebody else's by now. */
export async function findActive(
  sql: Sql,
  email: string,
): Promise<(User & { readonly hash: string | null }) | undefined> {
  const [user] = await sql<(User & { hash: string | null })[]>`
    select id, email, name, password_hash as hash
    from users where lower(email) = lower(${email}) and is_active
  `;
  return user;
}

/** The keys of the cache that a changed row of this table concerns. */
export function userKeysOf({ table, key }: RowChange): string[] {
  return table === 'users' ? [PREFIX + key.id] : [];
}

function keyOf(id: number): string {
  return PREFIX + id;
}
