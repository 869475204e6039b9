/** Whoever follows a link of the docs arrives: files and headings exist, and what leads outside is a well-formed address. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { SuiteError, type SuiteErrorCode } from 'express-redis-suite/redis';

const ROOT = join(__dirname, '../..');
const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.md', 'docs/llms.txt'], {
  cwd: ROOT,
  encoding: 'utf8',
});
const pages = tracked.split('\n').filter((page) => page !== '' && existsSync(join(ROOT, page)));

test('there are pages', () => {
  expect(pages).toEqual(expect.arrayContaining(['README.md', 'docs/rate-limit.md', 'docs/llms.txt']));
});

describe.each(pages)('%s', (page) => {
  const links = linksOf(page);
  const isOutside = (link: string) => /^[a-z][a-z+.-]*:/i.test(link);

  test('leads to files and headings that are there', () => {
    const broken = links.filter((link) => !isOutside(link) && !leadsSomewhere(page, link));
    expect(broken).toEqual([]);
  });

  test('leads outside by https', () => {
    const odd = links.filter(
      (link) => isOutside(link) && !/^https:\/\/[\w-]+(\.[\w-]+)+(\/\S*)?$/.test(link),
    );
    expect(odd).toEqual([]);
  });
});

test('every page of docs/ can be reached from the README', () => {
  const reached = new Set<string>();
  const queue = ['README.md'];
  for (let page = queue.pop(); page !== undefined; page = queue.pop()) {
    if (reached.has(page)) continue;
    reached.add(page);
    for (const link of linksOf(page)) {
      const file = fileOf(page, link);
      if (pages.includes(file)) queue.push(file);
    }
  }
  expect(pages.filter((page) => /^docs\/[^/]+$/.test(page) && !reached.has(page))).toEqual([]);
});

describe('Error codes', () => {
  const source = readFileSync(join(ROOT, 'lib/core/errors.ts'), 'utf8');
  const declared = /export type SuiteErrorCode =([^;]*);/.exec(source)?.[1]?.match(/ERS_\w+/g) ?? [];

  test('each is thrown somewhere in lib/', () => {
    const lib = execFileSync('git', ['grep', '-ohE', '\\bERS_[A-Z_]+', '--', 'lib'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect([...new Set(lib.trim().split('\n'))].sort()).toEqual([...declared].sort());
  });

  test('each has a section where its `help` points to, and no section is without a code', () => {
    const sections = headingsOf(readFileSync(join(ROOT, 'docs/errors.md'), 'utf8')).filter((title) =>
      /^ERS_/.test(title),
    );
    expect([...sections].sort()).toEqual([...declared].sort());
    for (const code of declared) {
      const { help } = new SuiteError(code as SuiteErrorCode, '');
      expect([help, leadsSomewhere('README.md', help)]).toEqual([help, true]);
    }
  });
});

/** Without what stands in code. */
function proseOf(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8')
    .replace(/^```.*?^```$/gms, '')
    .replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()<>]/g, ' '));
}

function linksOf(page: string): string[] {
  const text = proseOf(page);
  const links = [...text.matchAll(/\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)/g)];
  const sources = [...text.matchAll(/\b(?:src|srcset|href)="([^"]+)"/g)];
  return [...links, ...sources].map(([, link = '']) => link);
}

function fileOf(page: string, link: string): string {
  const path = link.split('#')[0] ?? '';
  return path === '' ? page : normalize(join(dirname(page), path));
}

function leadsSomewhere(page: string, link: string): boolean {
  const file = fileOf(page, link);
  const anchor = link.split('#')[1];
  if (!existsSync(join(ROOT, file))) return false;
  return anchor === undefined || anchorsOf(readFileSync(join(ROOT, file), 'utf8')).has(anchor);
}

function headingsOf(text: string): string[] {
  const prose = text.replace(/^```.*?^```$/gms, '');
  return [...prose.matchAll(/^#{1,6} (.*)$/gm)].map(([, title = '']) => title);
}

/** As GitHub makes them: lower case, without punctuation, spaces as hyphens, counted when they come again. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set([...text.matchAll(/<a id="([^"]+)"/g)].map(([, id = '']) => id));
  const seen = new Map<string, number>();
  for (const title of headingsOf(text)) {
    const words = title.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = words.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/ /g, '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    anchors.add(times === 0 ? slug : `${slug}-${times}`);
  }
  return anchors;
}
