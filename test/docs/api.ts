/** Writes the API reference out of the declarations: each export of each subpath, with its comment and its signature. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

interface Export {
  readonly name: string;
  /** The declaration file. */
  readonly file: string;
  readonly isDefault: boolean;
}

const COMPILED_WITHIN_MS = 60_000;
const run = promisify(execFile);

const INTRODUCTION = `# API reference

Every export of every subpath, as the package declares it. Written by \`npm run api\` from the comments in \`lib/\`, and held
to them by a test. What things are for, with examples, is on their pages: [rate limiting](rate-limit.md),
[sessions](session.md), [response cache](response-cache.md), [cache-aside](cache-aside.md), [metrics](metrics.md).
`;

/** The text of docs/api.md, for the sources below `root`. */
export async function apiReference(root: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'express-redis-suite-api-'));
  try {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const args = ['-p', join(root, 'lib/tsconfig.esm.json'), '--emitDeclarationOnly', '--outDir', folder];
    await run(process.execPath, [compiler, ...args], { cwd: root, timeout: COMPILED_WITHIN_MS });
    return pageOf(subpathsOf(root), folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Such as `rate-limit`, in the order of the package's exports; the first is the package itself. */
function subpathsOf(root: string): string[] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.keys(exports)
    .filter((path) => !path.endsWith('.json'))
    .map((path) => path.replace(/^\.\/?/, ''));
}

function pageOf(subpaths: readonly string[], folder: string): string {
  const sections = subpaths.map((subpath) => {
    const index = join(folder, subpath, 'index.d.ts');
    const exports = exportsOf(index);
    const title = `## express-redis-suite${subpath && `/${subpath}`}\n\n${purposeOf(index)}\n`;
    const names = exports.filter(({ isDefault }) => !isDefault);
    if (subpath === '') return `${title}\n${names.map(({ name }) => `\`${name}\``).join(', ')}.\n`;
    const links = names.map(({ name }) => `[${name}](#${name.toLowerCase()})`).join(' · ');
    return [title, `${links}\n`, ...names.map((one) => entryOf(one, exports))].join('\n');
  });
  return [INTRODUCTION, ...sections].join('\n');
}

function entryOf({ name, file }: Export, exports: readonly Export[]): string {
  const declarations = declarationsOf(name, readFileSync(file, 'utf8'));
  if (declarations.length === 0) throw new Error(`${file} declares no ${name}`);
  const isDefault = exports.some((other) => other.isDefault && other.name === name);
  const comment = declarations.map((one) => proseOf(one.comment)).find((text) => text !== '');
  const code = declarations.map((one) => one.code).join('\n');
  const paragraphs = [`### ${name}`, isDefault ? 'Also the default export.' : undefined, comment];
  return `${[...paragraphs.filter(Boolean), `\`\`\`ts\n${code}\n\`\`\``].join('\n\n')}\n`;
}

/** What a module exports, from wherever: functions, classes and constants first, then types. */
function exportsOf(index: string): Export[] {
  const text = readFileSync(index, 'utf8');
  const lists = text.matchAll(/^export (type )?\{([^}]*)\} from '([^']+)';$/gm);
  const passedOn = [...lists].flatMap(([, type, names = '', from = '']) =>
    [...names.matchAll(/(type )?(\w+)(?: as (\w+))?/g)].map(([, own, name = '', as]) => {
      const file = join(dirname(index), from.replace(/\.js$/, '.d.ts'));
      return { name, file: homeOf(name, file), isDefault: as === 'default', isType: Boolean(type || own) };
    }),
  );
  const own = [...text.matchAll(/^export (?:declare )?(\w+) (\w+)/gm)].map(([, kind = '', name = '']) => ({
    name,
    file: index,
    isDefault: false,
    isType: ['interface', 'type'].includes(kind),
  }));
  const all = [...passedOn, ...own.filter(({ name }) => name !== 'type')];
  return [...all.filter(({ isType }) => !isType), ...all.filter(({ isType }) => isType)];
}

/** Where a name that a file may only pass on is declared. */
function homeOf(name: string, file: string): string {
  const text = readFileSync(file, 'utf8');
  if (declarationsOf(name, text).length > 0) return file;
  return exportsOf(file).find((other) => other.name === name)?.file ?? file;
}

/** All overloads of a name; tsc ends a declaration with the first line that is not indented and ends with `;` or `}`. */
function declarationsOf(name: string, text: string): { comment: string; code: string }[] {
  const pattern = new RegExp(
    String.raw`^(/\*\*(?:(?!\*/)[\s\S])*\*/\n)?(export (?:declare )?(?:abstract )?(?:function|class|const|interface|type) ${name}\b(?:.*(?:;|\{\})$|[\s\S]*?\n(?:\}|\S.*;)$))`,
    'gm',
  );
  return [...text.matchAll(pattern)].map(([, comment = '', code = '']) => ({ comment, code: tidy(code) }));
}

function tidy(code: string): string {
  return code
    .replace(/^export (declare )?/, '')
    .replace(/^ +#private;\n/m, '')
    .replace(/^(?: {4})+/gm, (indent) => '  '.repeat(indent.length / 4));
}

function purposeOf(file: string): string {
  return proseOf(/^\/\*\*[\s\S]*?\*\//.exec(readFileSync(file, 'utf8'))?.[0] ?? '');
}

/** A comment's text, one paragraph for each of its tags. */
function proseOf(comment: string): string {
  return comment
    .replace(/^\/\*\*\s*|\s*\*\/\s*$/g, '')
    .replace(/^ *\* ?/gm, '')
    .replace(/^@throws /gm, '\nThrows: ')
    .replace(/^@returns? /gm, '\nReturns: ')
    .replace(/ ?@deprecated /g, '\n\nDeprecated. ')
    .replace(/^@typeParam (\w+) /gm, '\n`$1`: ')
    .replace(/^@param (\w+) /gm, '\n`$1`: ')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}
