/** The layout holds: features stand on `core` (the caches on `fill` too) and never on each other, and files stay readable. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const ROOT = join(__dirname, '..');

/** What each folder of lib/ may import, besides itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: [],
  fill: ['core'],
  'rate-limit': ['core'],
  session: ['core'],
  'response-cache': ['core', 'fill'],
  'cache-aside': ['core', 'fill'],
  metrics: ['core'],
  redis: ['core'],
};

/** The packages that each folder needs at run time. Only these, so that a subpath works without the others' peers. */
const REQUIRED: Record<string, readonly string[]> = {
  fill: ['lru-cache'],
  'rate-limit': ['ipaddr.js', 'lru-cache', 'structured-headers'],
  session: ['connect-redis', 'express-session', 'ipaddr.js'],
  'response-cache': ['lru-cache', 'structured-headers'],
  metrics: ['prom-client'],
};

const ABOUT = 1.1;
const MIDDLEWARE_LINES = 120 * ABOUT;
const FILE_LINES = 200 * ABOUT;

interface Import {
  readonly from: string;
  readonly target: string;
  readonly isType: boolean;
  readonly isDynamic: boolean;
}

const libFiles = sourcesBelow('lib');
const imports = libFiles.flatMap(importsOf);
const between = imports.filter(({ target }) => target.startsWith('.')).map(resolved);

test('every folder of lib/ is known here', () => {
  const folders = readdirSync(join(ROOT, 'lib'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  for (const { name } of folders) expect(Object.keys(MAY_IMPORT)).toContain(name);
});

test('docs/architecture.md says of every folder what it may import', () => {
  const text = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `([\w-]+)` \| .* \| ?(.*?) ?\|$/gm)];
  const told = rows.map(([, folder = '', may = '']) => [folder, may.match(/[\w-]+/g) ?? []]);
  expect(Object.fromEntries(told)).toEqual(MAY_IMPORT);
});

test('a folder of lib/ imports itself and what lies below it, nothing else', () => {
  const strangers = between
    .filter(({ from }) => folderOf(from) !== 'index.ts')
    .filter(
      ({ from, to }) =>
        folderOf(from) !== folderOf(to) && !MAY_IMPORT[folderOf(from)]?.includes(folderOf(to)),
    );
  expect(strangers.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

test('a folder of lib/ needs its own packages and no others', () => {
  const required: Record<string, string[]> = {};
  for (const { from, target, isType, isDynamic } of imports) {
    if (/^(\.|node:)/.test(target) || isType || isDynamic) continue;
    const folder = folderOf(from);
    required[folder] = [...new Set([...(required[folder] ?? []), target])].sort();
  }
  expect(required).toEqual(REQUIRED);
});

test('no file of lib/ imports itself in a circle, types included', () => {
  const graph = new Map<string, string[]>();
  for (const { from, to } of between) graph.set(from, [...(graph.get(from) ?? []), to]);
  expect(firstCycle(graph)).toBeUndefined();
});

test('lib/index.ts only re-exports', () => {
  const rest = readFileSync(join(ROOT, 'lib/index.ts'), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/export\s+(type\s+)?(\{[^}]*\}|\*)\s+from\s+'[^']+';/g, '');
  expect(rest.trim()).toBe('');
});

describe.each([...libFiles, ...sourcesBelow('demo-app')])('%s', (file) => {
  const text = readFileSync(join(ROOT, file), 'utf8');

  test('is short enough to read in one go and says what it is for', () => {
    const most = file.endsWith('middleware.ts') ? MIDDLEWARE_LINES : FILE_LINES;
    expect(text.split('\n').length).toBeLessThanOrEqual(most);
    expect(text).toMatch(/^(#!.*\n)?(\/\*\*|\/\/)/);
    expect(file).not.toMatch(/\b(utils?|helpers?|manager|types|common|misc)\b\.?/);
  });

  test('holds no mutable state of its own and leaves nothing to do', () => {
    if (file.startsWith('lib')) expect(text).not.toMatch(/^(export )?(let|var) /m);
    expect(text).not.toMatch(/\b(TODO|FIXME|XXX)\b/);
  });
});

function sourcesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|mjs)$/.test(name) && !name.includes('node_modules'))
    .map((name) => join(folder, name))
    .sort();
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const statics = [...text.matchAll(/^(?:import|export)\s+(type\s)?([^;]*?)\bfrom\s+'([^']+)'/gm)].map(
    ([, type, names = '', target = '']) => ({
      from: file,
      target,
      isType: Boolean(type) || onlyTypes(names),
      isDynamic: false,
    }),
  );
  const dynamics = [...text.matchAll(/\bimport\('([^']+)'\)/g)].map(([, target = '']) => ({
    from: file,
    target,
    isType: false,
    isDynamic: true,
  }));
  return [...statics, ...dynamics];
}

/** `{ type A, type B }` */
function onlyTypes(names: string): boolean {
  const inner = /^\s*\{([^}]*)\}\s*$/.exec(names)?.[1];
  if (inner === undefined) return false;
  const each = inner.split(',').filter((name) => name.trim() !== '');
  return each.length > 0 && each.every((name) => name.trim().startsWith('type '));
}

function resolved({ from, target }: Import): { from: string; to: string } {
  return { from, to: normalize(join(dirname(from), target)).replace(/\.js$/, '.ts') };
}

function folderOf(file: string): string {
  return relative('lib', file).split(sep)[0] as string;
}

function firstCycle(graph: Map<string, string[]>): string[] | undefined {
  const done = new Set<string>();
  function visit(file: string, path: string[]): string[] | undefined {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next, [...path, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return undefined;
  }
  for (const file of graph.keys()) {
    const cycle = visit(file, []);
    if (cycle) return cycle;
  }
  return undefined;
}
