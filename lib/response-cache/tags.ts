/** Which tags a page carries: what its handler and its route say, and the folders of its path. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Fields, linesOf } from './fields.js';
import type { Target } from './key.js';
import type { Settings } from './options.js';
import { checkTags, folderTags } from './tag-names.js';

declare global {
  namespace Express {
    interface Response {
      /**
       * Tags the page that is being answered, for `purgeTags`. There behind a response cache; also as a `Cache-Tag`
       * header, which reaches the client.
       */
      cacheTags(...tags: string[]): void;
    }
  }
}

/** By response, so that several caches over one handler hear of the same tags. */
const taggings = new WeakMap<ServerResponse, Set<string>>();

/** Gives the response `cacheTags`. */
export function openTagging(res: ServerResponse): void {
  if (taggings.has(res)) return;
  const tags = new Set<string>();
  taggings.set(res, tags);
  Object.assign(res, {
    cacheTags(...given: unknown[]): void {
      for (const tag of checkTags('res.cacheTags', given)) tags.add(tag);
    },
  });
}

interface Tagged {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly target: Target;
}

/** Collects the tags of the page that answers a request. Throws what the route's function throws. */
export function taggerOf(
  { tags, folderTags: hasFolderTags }: Pick<Settings, 'tags' | 'folderTags'>,
  { req, res, target }: Tagged,
): (fields: Fields) => readonly string[] {
  openTagging(res);
  const own = [...checkTags('tags', tags(req)), ...(hasFolderTags ? folderTags(target) : [])];
  return (fields) => [...own, ...tagsSaid(res, fields)];
}

/** What the handler said, with the header among `fields` (a comma-separated list, as CDNs read it). */
function tagsSaid(res: ServerResponse, fields: Fields): readonly string[] {
  const listed = linesOf(fields, 'cache-tag').join(',').split(',');
  return [...(taggings.get(res) ?? []), ...listed.map((tag) => tag.trim()).filter((tag) => tag !== '')];
}
