/** What may be a tag, and the tags that stand for the folders of a page's path. */
import { invalidOption } from '../core/errors.js';
import type { Target } from './key.js';

/** More would make every look at the page slow. */
export const MAX_TAGS = 64;
/** Deeper folders are purged with the one at this depth. */
const MAX_FOLDERS = 8;

/** @throws SuiteError ERS_INVALID_OPTION */
export function checkTags(option: string, given: unknown): readonly string[] {
  const isTag = (tag: unknown) => typeof tag === 'string' && tag !== '';
  if (Array.isArray(given) && given.every(isTag)) return given as string[];
  throw invalidOption(option, given, "Use strings, such as 'product:42'.");
}

/** One tag per folder that a page is in: `/`, `/shop/` and `/shop/42/` for `/shop/42?size=l`. */
export function folderTags({ scheme, host, path }: Target): readonly string[] {
  const names = namesIn(path);
  const depths = Array.from({ length: names.length + 1 }, (_, depth) => names.slice(0, depth));
  return depths.map((folders) => folderTag(`${scheme}://${host}`, folders));
}

/** The tag of all pages at and below a URL. */
export function folderTagOf(url: string): string {
  const [, origin = '', path = ''] = /^(https?:\/\/[^/]*)(.*)$/s.exec(url) ?? [];
  return folderTag(origin, namesIn(path));
}

function folderTag(origin: string, names: readonly string[]): string {
  return `below ${[origin, ...names].join('/')}/`;
}

function namesIn(path: string): readonly string[] {
  const [bare = ''] = path.split('?', 1);
  const names = bare.split('/').slice(1);
  return (names.at(-1) === '' ? names.slice(0, -1) : names).slice(0, MAX_FOLDERS);
}
