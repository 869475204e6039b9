/** docs/benchmarks.md holds what the bench prints, between two comments for each bench: this puts it there. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PAGE = join('docs', 'benchmarks.md');

/** @param name of the bench whose part of the page is replaced */
export function writeIntoPage(name: string, text: string): void {
  writeFileSync(PAGE, withPart(readFileSync(PAGE, 'utf8'), name, text));
}

/** @throws when the page has no such part */
export function withPart(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- bench: ${name} -->`, `<!-- end of ${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${PAGE} has no place for ${name}: ${begin} ... ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${text.trim()}\n\n${page.slice(to)}`;
}
