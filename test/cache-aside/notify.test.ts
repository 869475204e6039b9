// Rows changed by somebody who knows nothing of the cache, as in psql.
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  type Cache,
  createCache,
  invalidateOnNotify,
  type NotifyOptions,
  notifyTriggerSql,
} from 'express-redis-suite/cache-aside';
import postgres from 'postgres';
import { onTestEnd } from '../support/cleanup.js';
import { uniqueNamespace } from '../support/redis.js';
import { testDatabaseUrl } from '../support/redis-server.js';
import { until } from '../support/until.js';

const schema = `notify_${uniqueNamespace()}`;
/** Unkind to whoever quotes badly. */
const HOSTILE = `it's "a" $body0$ \\ table`;

describe('notifications of Postgres', () => {
  let psql: postgres.Sql;
  let cache: Cache;
  let channel: string;

  beforeAll(async () => {
    psql = postgres(testDatabaseUrl(), { max: 2, onnotice: () => {} });
    await psql.unsafe(`create schema ${schema}`);
  });
  afterAll(async () => {
    await psql.unsafe(`drop schema ${schema} cascade`);
    await psql.end();
  });

  beforeEach(async () => {
    cache = createCache({ namespace: uniqueNamespace() });
    channel = uniqueNamespace();
    await psql.unsafe(`
      drop table if exists ${schema}.users;
      create table ${schema}.users (id bigint primary key, name text not null);
      insert into ${schema}.users values (42, 'Ada'), (9007199254740993, 'Bob');
    `);
    await psql.unsafe(notifyTriggerSql({ schema, table: 'users', channel }));
  });

  async function listen(options: Partial<NotifyOptions> = {}): Promise<{ close(): Promise<void> }> {
    const sql = postgres(testDatabaseUrl(), { max: 1, backoff: () => 0.05 });
    onTestEnd(() => sql.end({ timeout: 0 }));
    return invalidateOnNotify({
      sql,
      channel,
      cache,
      keysOf: ({ key }) => [`user:${key.id}`],
      coveredBy: ['users'],
      ...options,
    });
  }

  const find = (id: string) =>
    cache.getOrLoad(
      `user:${id}`,
      async () => (await psql.unsafe(`select name from ${schema}.users where id = ${id}`))[0]?.name as string,
      { tags: ['users'] },
    );

  it.each([
    ['an update', '42', `update ${schema}.users set name = 'Eve' where id = 42`, 'Eve'],
    ['a delete', '42', `delete from ${schema}.users where id = 42`, undefined],
    ['an insert', '43', `insert into ${schema}.users values (43, 'Eve')`, 'Eve'],
    ['a truncate', '42', `truncate ${schema}.users`, undefined],
    ['another key', '42', `update ${schema}.users set id = 44`.concat(' where id = 42'), undefined],
    ['a key beyond 2^53', '9007199254740993', `update ${schema}.users set name = 'Eve'`, 'Eve'],
  ])('let %s in psql be seen', async (_, id, change, expected) => {
    await listen();
    await find(id);
    await psql.unsafe(change);
    await until(async () => (await find(id)) === expected, 2_000);
  });

  it('leave the other rows cached', async () => {
    await listen();
    await cache.set('user:43', 'kept', { tags: ['users'] });
    await find('42');
    await psql.unsafe(`update ${schema}.users set name = 'Eve' where id = 42`);
    await until(async () => (await find('42')) === 'Eve', 2_000);
    expect(await cache.get('user:43')).toBe('kept');
  });

  it('say nothing of a change that is rolled back', async () => {
    await listen();
    await find('42');
    const rolledBack = psql.begin(async (tx) => {
      await tx.unsafe(`update ${schema}.users set name = 'Eve' where id = 42`);
      throw new Error('no');
    });
    await expect(rolledBack).rejects.toThrow('no');
    await psql.notify(channel, '{"table":"users","op":"UPDATE","keys":[{"id":"7"}]}');
    expect(await cache.get('user:42')).toBe('Ada');
  });

  it('may purge tags', async () => {
    await listen({ keysOf: () => [], tagsOf: ({ key, table, op }) => [`${table}:${op}:${key.id}`] });
    await cache.set('report', 1, { tags: ['users:UPDATE:42'] });
    await psql.unsafe(`update ${schema}.users set name = 'Eve' where id = 42`);
    await until(async () => (await cache.get('report')) === undefined, 2_000);
  });

  it('that may have been missed cost everything that they cover', async () => {
    await find('42');
    await listen();
    expect(await cache.get('user:42')).toBeUndefined();
    await find('42');
    await cache.set('other', 1);

    // Nobody hears of this one.
    await psql.unsafe(`alter table ${schema}.users disable trigger all`);
    await psql.unsafe(`update ${schema}.users set name = 'Eve' where id = 42`);
    expect(await cache.get('user:42')).toBe('Ada');
    await psql`select pg_terminate_backend(pid) from pg_stat_activity
               where query ilike ${`%listen%${channel}%`} and pid <> pg_backend_pid()`;
    await until(async () => (await find('42')) === 'Eve');
    expect(await cache.get('other')).toBe(1);

    await psql.unsafe(`alter table ${schema}.users enable trigger all`);
    await psql.unsafe(`update ${schema}.users set name = 'Mae' where id = 42`);
    await until(async () => (await find('42')) === 'Mae', 2_000);
  });

  it.each(['', 'not json', 'null', '[]', '{"table":"users","op":"UPDATE","keys":[42]}', '{"table":1}'])(
    'that cannot be read cost everything that they cover: %j',
    async (payload) => {
      await listen();
      await find('42');
      await psql.notify(channel, payload);
      await until(async () => (await cache.get('user:42')) === undefined, 2_000);
    },
  );

  it('survive functions that throw, and drop what those should have named', async () => {
    const keysOf = jest.fn(() => {
      throw new Error('boom');
    });
    await listen({ keysOf });
    await find('42');
    await psql.unsafe(`update ${schema}.users set name = 'Eve' where id = 42`);
    await until(async () => (await find('42')) === 'Eve', 2_000);
    expect(keysOf).toHaveBeenCalled();
  });

  it('end with close', async () => {
    const listening = await listen();
    await find('42');
    await listening.close();
    await psql.unsafe(`update ${schema}.users set name = 'Eve' where id = 42`);
    expect(await cache.get('user:42')).toBe('Ada');
  });

  it('come from tables, columns and channels of any name, with keys of any size', async () => {
    const quoted = `"${schema}"."${HOSTILE.replaceAll('"', '""')}"`;
    const column = `"${HOSTILE.replaceAll('"', '""')}"`;
    await psql.unsafe(`drop table if exists ${quoted}; create table ${quoted} (${column} text, id text)`);
    const hostile = { schema, table: HOSTILE, channel: HOSTILE, keyColumns: [HOSTILE, 'id'] };
    await psql.unsafe(notifyTriggerSql(hostile));
    await psql.unsafe(notifyTriggerSql(hostile));
    const keysOf = jest.fn<NonNullable<NotifyOptions['keysOf']>>(() => []);
    await listen({ channel: HOSTILE, keysOf });
    await psql.unsafe(`insert into ${quoted} values ('x', null)`);
    await until(() => keysOf.mock.calls.length > 0, 2_000);
    expect(keysOf).toHaveBeenCalledWith({ table: HOSTILE, op: 'INSERT', key: { [HOSTILE]: 'x', id: null } });

    await cache.set('covered', 1, { tags: ['users'] });
    await psql.unsafe(`insert into ${quoted} values (repeat('x', 100000), '1')`);
    await until(async () => (await cache.get('covered')) === undefined, 2_000);
  });

  it('that come after the end purge nothing', async () => {
    let hear: (payload: string) => void = () => {};
    const sql: NotifyOptions['sql'] = {
      async listen(_channel, onNotify, onListen) {
        hear = onNotify;
        onListen();
        return { unlisten: async () => {} };
      },
    };
    const keysOf = jest.fn<NonNullable<NotifyOptions['keysOf']>>(() => []);
    const listening = await listen({ sql, keysOf });
    const change = JSON.stringify({ table: 'users', op: 'UPDATE', keys: [{ id: '42' }] });
    hear(change);
    expect(keysOf).toHaveBeenCalledTimes(1);
    await listening.close();
    hear(change);
    expect(keysOf).toHaveBeenCalledTimes(1);
  });

  it('leave out the changes that `when` leaves out', async () => {
    const when = "current_setting('application_name') <> 'own'";
    await psql.unsafe(notifyTriggerSql({ schema, table: 'users', channel, when: 'false' }));
    await psql.unsafe(notifyTriggerSql({ schema, table: 'users', channel, when }));
    const keysOf = jest.fn<NonNullable<NotifyOptions['keysOf']>>(() => []);
    await listen({ keysOf });
    await psql.begin(async (own) => {
      await own`set local application_name = 'own'`;
      await own.unsafe(`update ${schema}.users set name = 'Eve' where id = 42`);
    });
    await psql.unsafe(`update ${schema}.users set name = 'Eve' where id = 9007199254740993`);
    await until(() => keysOf.mock.calls.length > 0, 2_000);
    expect(keysOf.mock.calls).toEqual([[expect.objectContaining({ key: { id: '9007199254740993' } })]]);
  });

  it.each<[string, object]>([
    ['when', { when: ' ' }],
    ['table', { table: '' }],
    ['table', { table: 'x'.repeat(64) }],
    ['channel', { channel: 'a\0b' }],
    ['channel', { channel: 'ü'.repeat(32) }],
    ['keyColumns', { keyColumns: [] }],
    ['schema', { schema: 42 }],
  ])('refuse a bad %s: %j', (option, bad) => {
    const options = { table: 'users', channel: 'c', ...bad };
    expect(() => notifyTriggerSql(options)).toThrow(
      expect.objectContaining({
        code: 'ERS_INVALID_OPTION',
        message: expect.stringContaining(`${option}: `),
      }),
    );
  });

  it('refuse to cover nothing', async () => {
    await expect(listen({ coveredBy: [] })).rejects.toMatchObject({ code: 'ERS_INVALID_OPTION' });
  });
});
