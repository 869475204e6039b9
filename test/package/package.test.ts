/** The package as users get it: packed, installed into empty projects, imported, required, compiled and used there. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { snippetsOf } from '../docs/snippets.js';
import { SAYING_WHERE, serveProgram } from '../support/program.js';
import { RedisServer } from '../support/redis-server.js';

const ROOT = join(__dirname, '../..');
const NPM_WITHIN_MS = 120_000;
const run = promisify(execFile);

const SUBPATHS: Record<string, readonly string[]> = {
  '': ['rateLimit', 'sessions', 'responseCache', 'createCache', 'connectRedis'],
  '/rate-limit': ['rateLimit', 'MemoryStore', 'ipKeyGenerator'],
  '/session': ['RedisSessionStore', 'sessions', 'login', 'logout'],
  '/response-cache': ['responseCache'],
  '/cache-aside': ['createCache'],
  '/metrics': ['collectMetrics'],
  '/redis': ['connectRedis', 'SuiteError'],
};
const PEERS = ['express', 'redis', 'ioredis', 'express-session', 'connect-redis', 'prom-client'];
const TYPES = ['@types/express', '@types/express-session', '@types/node'];

const folder = mkdtempSync(join(tmpdir(), 'express-redis-suite-package-'));
let tarball: string;

beforeAll(async () => {
  await npm(ROOT, ['pack', '--pack-destination', folder]);
  tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) as string);
}, NPM_WITHIN_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test(
  'publint and attw find nothing wrong with it',
  async () => {
    await node(ROOT, ['node_modules/publint/src/cli.js', tarball, '--strict']);
    await node(ROOT, [
      'node_modules/@arethetypeswrong/cli/dist/index.js',
      tarball,
      '--no-color',
      '--profile',
      'node16',
    ]);
  },
  NPM_WITHIN_MS,
);

test(
  'the limiter works with nothing but express and redis installed',
  async () => {
    const project = await newProject('limiter-only', ['express', 'redis']);
    const before = await countInstalled(await newProject('express-and-redis', ['express', 'redis'], []));
    const after = await countInstalled(project);
    process.stdout.write(
      `A limiter-only user installs ${after.packages - before.packages} packages, ${after.kilobytes - before.kilobytes} kB besides express and redis\n`,
    );
    // What a new user does: the first program of the README, and a request too many, with a Redis and without one.
    const minimal = snippetsOf('README.md').find(({ id }) => id === 'minimal')?.code ?? '';
    writeFileSync(join(project, 'app.mjs'), minimal);
    for (const redisUrl of [RedisServer.start().then(({ url }) => url), 'redis://127.0.0.1:1']) {
      const env = { PORT: '0', REDIS_URL: await redisUrl };
      const app = await serveProgram([...SAYING_WHERE, 'app.mjs'], { cwd: project, env });
      const statuses: number[] = [];
      for (let count = 0; count < 6; count += 1) statuses.push((await app.get('/')).status);
      expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
    }
  },
  NPM_WITHIN_MS,
);

describe('with all peers installed', () => {
  let project: string;

  beforeAll(async () => {
    project = await newProject('everything', [...PEERS, ...TYPES]);
  }, NPM_WITHIN_MS);

  test.each(Object.entries(SUBPATHS))(
    "'express-redis-suite%s' is imported and required",
    async (subpath, names) => {
      const specifier = `express-redis-suite${subpath}`;
      const print = `console.log(${JSON.stringify(names)}.filter((name) => typeof it[name] !== 'function').join())`;
      writeFileSync(join(project, 'import.mjs'), `import * as it from '${specifier}'; ${print}`);
      writeFileSync(join(project, 'require.cjs'), `const it = require('${specifier}'); ${print}`);
      expect((await node(project, ['import.mjs'])).trim()).toBe('');
      expect((await node(project, ['require.cjs'])).trim()).toBe('');
    },
  );

  test('the limiter is required as express-rate-limit is: it is the function, with all the names on it', async () => {
    writeFileSync(
      join(project, 'callable.cjs'),
      `const rateLimit = require('express-redis-suite/rate-limit');
       const { rateLimit: named, default: byDefault, RedisStore } = rateLimit;
       console.log([typeof rateLimit(), named === rateLimit, byDefault === rateLimit, typeof RedisStore].join());`,
    );
    expect((await node(project, ['callable.cjs'])).trim()).toBe('function,true,true,function');
  });

  test('an example starts from CommonJS as it stands in the package', async () => {
    const example = join(project, 'node_modules/express-redis-suite/docs/examples/commonjs/server.cjs');
    const env = { PORT: '0', REDIS_URL: (await RedisServer.start()).url };
    const browser = (await serveProgram([example], { cwd: project, env })).browser();
    await browser.send('/login/ada', { method: 'POST' });
    const me = await browser.get('/me');
    expect([me.headers['x-ratelimit-remaining'], me.json()]).toEqual(['98', { name: 'ada' }]);
  });

  test.each([
    ['nodenext', 'module'],
    ['nodenext', 'commonjs'],
    ['node16', 'module'],
    ['node16', 'commonjs'],
  ])(
    'a TypeScript user compiles under %s as %s',
    async (module, type) => {
      const user = join(project, `${module}-${type}`);
      mkdirSync(user);
      writeFileSync(join(user, 'package.json'), JSON.stringify({ type }));
      writeFileSync(
        join(user, 'tsconfig.json'),
        JSON.stringify({
          compilerOptions: {
            module,
            target: 'es2022',
            strict: true,
            noEmit: true,
            esModuleInterop: true,
            types: ['node'],
          },
        }),
      );
      writeFileSync(join(user, 'app.ts'), TYPESCRIPT_USER);
      await node(user, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.']);
    },
    NPM_WITHIN_MS,
  );

  test(
    'a CommonJS Jest user tests an app with it',
    async () => {
      const user = join(project, 'jest-user');
      mkdirSync(user);
      writeFileSync(join(user, 'package.json'), '{}');
      writeFileSync(
        join(user, 'app.test.js'),
        `const { rateLimit } = require('express-redis-suite/rate-limit');
       const suite = require('express-redis-suite');
       test('they are one', () => expect(suite.rateLimit).toBe(rateLimit));`,
      );
      const jest = join(ROOT, 'node_modules/jest/bin/jest.js');
      await node(user, [jest, '--rootDir', user, '--ci', '--silent']);
    },
    NPM_WITHIN_MS,
  );
});

const TYPESCRIPT_USER = `
import express from 'express';
import { createClient } from 'redis';
import { Redis } from 'ioredis';
import rateLimit, { type Options } from 'express-redis-suite/rate-limit';
import { RedisSessionStore, sessions } from 'express-redis-suite/session';
import { responseCache } from 'express-redis-suite/response-cache';
import { createCache } from 'express-redis-suite/cache-aside';
import { connectRedis } from 'express-redis-suite/redis';
import { collectMetrics } from 'express-redis-suite/metrics';

const client = createClient();
const options: Partial<Options> = { windowMs: 1000, limit: 5 };
const app = express();
app.use(rateLimit({ ...options, client }));
app.use(rateLimit({ client: new Redis({ lazyConnect: true }), name: 'other' }));
app.use(sessions({ client, secret: 'secret' }));
app.use(responseCache({ client }));
export const store = new RedisSessionStore({ client });
export const cache = createCache({ client, namespace: 'shop' });
export const user: Promise<{ id: number } | undefined | null> = cache.getOrLoad('user:1', async () => ({ id: 1 }));
void connectRedis({ url: 'redis://127.0.0.1:1' }).then((connected) => app.use(rateLimit({ client: connected })));
collectMetrics()();
`;

async function newProject(
  name: string,
  packages: readonly string[],
  ours: readonly string[] = [tarball],
): Promise<string> {
  const project = join(folder, name);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name, private: true }));
  await npm(project, [
    'install',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    ...ours,
    ...packages.map(asInstalledHere),
  ]);
  return project;
}

/** The version that all tests of this run are about. */
function asInstalledHere(name: string): string {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'));
  return `${name}@${manifest.version}`;
}

async function countInstalled(project: string): Promise<{ packages: number; kilobytes: number }> {
  const modules = join(project, 'node_modules');
  const names = readdirSync(modules, { recursive: true, encoding: 'utf8' });
  const bytes = names.map((name) => statSync(join(modules, name))).reduce((sum, { size }) => sum + size, 0);
  const packages = (await npm(project, ['ls', '--all', '--parseable'])).trim().split('\n').length - 1;
  return { packages, kilobytes: Math.round(bytes / 1024) };
}

function npm(cwd: string, args: readonly string[]): Promise<string> {
  const cli = process.env.npm_execpath;
  return cli?.endsWith('.js') ? node(cwd, [cli, ...args]) : finish('npm', cwd, args);
}

function node(cwd: string, args: readonly string[]): Promise<string> {
  return finish(process.execPath, cwd, args);
}

async function finish(program: string, cwd: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(program, args, { cwd, timeout: NPM_WITHIN_MS, maxBuffer: 1 << 24 });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(' ')} failed:\n${stdout}\n${stderr}`, { cause: error });
  }
}
