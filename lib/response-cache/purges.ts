/** Forgets pages because somebody says so: by URL, by tag, by folder; at once, or softly. */
import { invalidOption } from '../core/errors.js';
import type { Cache } from './cache.js';
import { idsOfUrl, keyOfUrl } from './key.js';
import { checkTags, folderTagOf } from './tag-names.js';

export interface Purges {
  /**
   * Forgets the page of an absolute URL, or of a path on each of the `hosts`, with all its variants, in all processes.
   * What is being fetched meanwhile is not stored. With the `key` option: what it returned for the page.
   *
   * @throws SuiteError ERS_REDIS_UNAVAILABLE, ERS_REDIS_REFUSED: the page may still be served by other processes.
   */
  purge(url: string): Promise<void>;
  /**
   * Forgets all pages that carry one of the tags: those of `res.cacheTags('product:42')`, of a `Cache-Tag` header, and of
   * the option `tags`. Throws as `purge`.
   */
  purgeTags(...tags: string[]): Promise<void>;
  /** Forgets all pages at and below a URL. Needs the option `folderTags`. Throws as `purge`. */
  purgeBelow(url: string): Promise<void>;
  /** The soft `purge`: the page is stale, and served while it is asked for again, unless it forbids that. */
  expire(url: string): Promise<void>;
  /** The soft `purgeTags`. */
  expireTags(...tags: string[]): Promise<void>;
  /** The soft `purgeBelow`. */
  expireBelow(url: string): Promise<void>;
}

export function purgesOf(cache: Cache): Purges {
  const { settings, drop, expire, purgeTag, expireTag } = cache;

  function keysOf(url: string): readonly string[] {
    const ids = settings.key === undefined ? idsNamedBy('purge', url) : [url];
    return ids.map((id) => keyOfUrl(settings, id));
  }

  function tagsBelow(url: string): readonly string[] {
    if (!settings.folderTags)
      throw invalidOption('folderTags', false, 'Set it to true to purge pages by the folders of their path.');
    return idsNamedBy('purgeBelow', url).map(folderTagOf);
  }

  function idsNamedBy(call: string, url: string): readonly string[] {
    const ids = idsOfUrl(url, settings.hosts);
    if (ids !== undefined) return ids;
    throw invalidOption(call, url, 'Give an absolute URL, or a path and the `hosts` option to say where.');
  }

  return {
    purge: async (url) => all(keysOf(url), drop),
    purgeTags: async (...tags) => all(checkTags('purgeTags', tags), purgeTag),
    purgeBelow: async (url) => all(tagsBelow(url), purgeTag),
    expire: async (url) => all(keysOf(url), expire),
    expireTags: async (...tags) => all(checkTags('expireTags', tags), expireTag),
    expireBelow: async (url) => all(tagsBelow(url), expireTag),
  };
}

async function all(names: readonly string[], act: (name: string) => Promise<void>): Promise<void> {
  await Promise.all(names.map((name) => act(name)));
}
