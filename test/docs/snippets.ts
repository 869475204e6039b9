/** The code in a page of docs/: found, written out as modules, type-checked, and run in a process of its own. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from '@jest/globals';
import type { Served } from '../support/http.js';
import { serveProgram } from '../support/program.js';

const ROOT = join(__dirname, '../..');
const CHECKED_WITHIN_MS = 60_000;
const run = promisify(execFile);

export interface Snippet {
  /** From the fence: ` ```ts id=login `. Snippets with an id are meant to be run. */
  readonly id: string | undefined;
  readonly language: string;
  /** The line of its fence in the page. */
  readonly line: number;
  readonly code: string;
}

export interface Page {
  readonly text: string;
  readonly snippets: readonly Snippet[];
  readonly workbench: Workbench;
  /** The paths of the modules, by the id of their snippets. */
  readonly modules: ReadonlyMap<string, string>;
}

/** Every fenced block of a page of docs/, in its order. */
export function snippetsOf(page: string): Snippet[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const fences = text.matchAll(/^```(\w+)(?: +id=([\w-]+))?\n(.*?)^```$/gms);
  return [...fences].map(({ 1: language = '', 2: id, 3: code = '', index }) => ({
    id,
    language,
    line: text.slice(0, index).split('\n').length,
    code,
  }));
}

/** A diff's code as it was and as it becomes. */
export function sidesOf({ code }: Snippet): { readonly before: string; readonly after: string } {
  const lines = code.split('\n');
  const without = (sign: string) =>
    lines.filter((line) => !line.startsWith(sign)).map((line) => line.slice(1));
  return { before: without('+').join('\n'), after: without('-').join('\n') };
}

/** A page's snippets, and those with an id as modules; written before the first test of a file, gone after the last. */
export function benchOf(page: string, ambient: string): Page {
  const snippets = snippetsOf(page);
  const workbench = new Workbench(ambient);
  const modules = new Map<string, string>();
  beforeAll(() => {
    for (const { id, language, line, code } of snippets) {
      if (language !== 'ts') continue;
      const path = workbench.write(`line-${line}.ts`, code);
      if (id !== undefined) modules.set(id, path);
    }
  });
  afterAll(() => workbench.remove());
  return { text: readFileSync(join(ROOT, page), 'utf8'), snippets, workbench, modules };
}

/** The names of options: those that an interface declares in a source, and those that the page's table has. */
export function optionsOf(
  source: string,
  name: string,
  { text }: Page,
): { declared: string[]; shown: string[] } {
  const declaration = new RegExp(`export interface ${name} .*?\\{(.*?)^\\}`, 'ms');
  const body = declaration.exec(readFileSync(join(ROOT, source), 'utf8'))?.[1] ?? '';
  const section = /^## Options$(.*?)^## /ms.exec(text)?.[1] ?? '';
  return {
    declared: namesIn(body, /^ {2}(?:readonly )?(\w+)\??[:(]/gm),
    shown: namesIn(section, /^\| `(\w+)` \|/gm),
  };
}

function namesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name = '']) => name).sort();
}

/** Modules in a folder of their own, from which the packages of this repository can be imported. */
export class Workbench {
  readonly #folder: string;

  /** @param ambient a module of declarations: what the page takes for granted in each of its snippets */
  constructor(ambient: string) {
    const cache = join(ROOT, 'node_modules', '.cache');
    mkdirSync(cache, { recursive: true });
    this.#folder = mkdtempSync(join(cache, 'express-redis-suite-docs-'));
    this.write('ambient.d.ts', ambient);
    this.write('package.json', JSON.stringify({ type: 'module' }));
    // As strict as most users are, which is less than we are.
    const compilerOptions = {
      noEmit: true,
      declaration: false,
      exactOptionalPropertyTypes: false,
      noUncheckedIndexedAccess: false,
    };
    const extended = join(ROOT, 'tsconfig.json');
    this.write(
      'tsconfig.json',
      JSON.stringify({ extends: extended, compilerOptions, include: ['*.ts'], exclude: [] }),
    );
  }

  /** @returns the file's path */
  write(name: string, code: string): string {
    const path = join(this.#folder, name);
    const isModule = name.endsWith('.ts') && !name.endsWith('.d.ts');
    writeFileSync(path, isModule ? `${withSources(code)}\nexport {};\n` : withSources(code));
    return path;
  }

  /** What the compiler has to say against the modules written so far; empty when it has nothing. */
  async complaints(): Promise<string> {
    const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    try {
      await run(process.execPath, [compiler, '-p', this.#folder, '--pretty', 'false'], {
        cwd: this.#folder,
        timeout: CHECKED_WITHIN_MS,
      });
      return '';
    } catch (error) {
      return (error as { stdout?: string }).stdout || String(error);
    }
  }

  /**
   * Runs a module in a process of its own, by a program that provides what the page takes for granted and then writes
   * `listening on <port>`.
   */
  serve(module: string, program: string, env: Readonly<Record<string, string>>): Promise<Served> {
    return serveProgram(['--import', 'tsx', join(__dirname, program), module], { cwd: ROOT, env });
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Of this package, the sources: what users import by name is tested before it is built. */
function withSources(code: string): string {
  return code.replace(
    /(from )'express-redis-suite(?:\/([\w-]+))?'/g,
    (_, from: string, folder?: string) => `${from}'${join(ROOT, 'lib', folder ?? '', 'index.js')}'`,
  );
}
