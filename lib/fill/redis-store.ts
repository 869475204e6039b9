/** The fill store that all processes share: one hash per key, every change one script on that key alone. */
import type { Guard } from '../core/guard.js';
import type { RedisArgument, ReplyType } from '../core/redis.js';
import { runScript, type Script } from '../core/script.js';
import { RedisClock } from './clock.js';
import { acquireScript, commitScript, putScript, releaseScript, renewScript } from './lease.lua.js';
import { dropScript, expireScript, markScript, unmarkScript } from './mark.lua.js';
import { Orphans } from './orphans.js';
import { RedisReader } from './redis-reading.js';
import type { FillStore, Keeping, Lease } from './store.js';
import { enterTagScript, purgeTagScript } from './tag.lua.js';
import { spellTag } from './tags.js';
import { newToken } from './token.js';
import { Turnstile } from './turnstile.js';

export interface RedisFillStoreOptions {
  /** What comes before the names of tags in Redis, so that they are no other keys. */
  readonly tagPrefix: string;
}

/** Where every change is published: `k` and the key, or `t` and the tag as it is spelled. */
export function changesChannel(tagPrefix: string): string {
  return `${tagPrefix}changes`;
}

type What = readonly [field: string, value: RedisArgument];

/** Every call goes through `guard`, and rejects as it does (ERS_REDIS_UNAVAILABLE, ERS_REDIS_REFUSED). */
export function redisFillStore(guard: Guard, { tagPrefix }: RedisFillStoreOptions): FillStore {
  const clock = new RedisClock(latestTimeUs);
  const reader = new RedisReader(guard, clock, tagPrefix);
  const channel = changesChannel(tagPrefix);
  const isCluster = guard.redis.hasManyNodes;
  const turnstile = new Turnstile();

  function run(script: Script, keys: readonly string[], args: readonly RedisArgument[], reply?: ReplyType) {
    return turnstile.pass(() => guard.run((redis) => runScript(redis, script, keys, args, reply), keys[0]));
  }

  /** A script that tells what it changes. */
  function change(script: Script, keys: readonly string[], args: readonly RedisArgument[]) {
    return run(script, keys, [...args, channel, `k${keys[0]}`]);
  }

  async function says1(script: Script, key: string, args: readonly RedisArgument[]): Promise<boolean> {
    return (await run(script, [key], args)) === 1;
  }

  function release({ key, field, token }: Pick<Lease, 'key' | 'field' | 'token'>) {
    return run(releaseScript, [key], [field, token]);
  }

  const orphans = new Orphans(guard, release);

  /** On a cluster the records of tags are on other nodes: entered before, and looked at again after. */
  async function store(script: Script, key: string, [field, value]: What, by: By): Promise<boolean> {
    const { ttlMs, tags = [], limit } = by.keeping;
    const names = [...new Set(tags.map(spellTag))];
    const records = names.map((name) => tagPrefix + name);
    const limits = limit === undefined ? ['', ''] : [String(limit.maxValues), limit.spare];
    const args = [field, value, wholeMs(ttlMs), names.join(' '), by.token, String(by.since), ...limits];
    if (!isCluster || records.length === 0) return (await change(script, [key, ...records], args)) === 1;

    const isGone = () => Promise.all(records.map((record) => isTagGone(record, by)));
    if ((await isGone()).includes(true)) return false;
    if ((await change(script, [key], args)) !== 1) return false;
    return !(await isGone()).includes(true);
  }

  function isTagGone(record: string, { since, keeping }: By): Promise<boolean> {
    return says1(enterTagScript, record, [String(since), wholeMs(keeping.ttlMs)]);
  }

  function latestTimeUs(): Promise<number> {
    return guard.run((redis) => redis.latestTimeUs());
  }

  async function unmark(key: string, token: string): Promise<void> {
    await change(unmarkScript, [key], ['', '', '0', '', token, '0']);
  }

  async function changeTag(tag: string, act: string, token = '', markMs = 0): Promise<void> {
    // Loads began by the clock of whichever node has their key.
    const now = isCluster ? await latestTimeUs() : 0;
    const name = spellTag(tag);
    const args = [act, String(now), token, String(markMs), channel, `t${name}`];
    await run(purgeTagScript, [tagPrefix + name], args);
  }

  return {
    now: () => clock.now(),

    read: (key, fields) => reader.read(key, fields),

    readMany: (keys, fields) => reader.readMany(keys, fields),

    async acquire(key, field, leaseMs, besideIt = '') {
      const token = newToken();
      const reply = await orphans.watchTaking({ key, field, token }, () =>
        run(acquireScript, [key], [field, token, wholeMs(leaseMs), besideIt], 'bytes'),
      );
      if (!Array.isArray(reply)) return undefined;
      const [time, bytes = null, tags = null, expired = null, beside = null] = reply as (Buffer | null)[];
      const since = Number(time);
      clock.learn(since);
      const found = await reader.judge(bytes, tags, expired).catch(() => null);
      return { key, field, token, since, found, beside };
    },

    renew: ({ key, field, token }, leaseMs) => says1(renewScript, key, [field, token, wholeMs(leaseMs)]),

    commit(lease, value, keeping) {
      return orphans.watchEnding(lease, async () => {
        const isStored = await store(commitScript, lease.key, [lease.field, value], { ...lease, keeping });
        if (!isStored && isCluster) await release(lease);
        return isStored;
      });
    },

    async release(lease) {
      await orphans.watchEnding(lease, () => release(lease));
    },

    async put(key, field, value, keeping) {
      // Where one server has it all, the script looks at the clock itself.
      const since = isCluster && keeping.tags?.length ? await latestTimeUs() : 0;
      void clock.askIfUnknown();
      return store(putScript, key, [field, value], { keeping, token: '', since });
    },

    drop: async (key) => (await change(dropScript, [key], [])) === 1,

    expire: async (key) => (await change(expireScript, [key], [])) === 1,

    async mark(key, token, markMs) {
      const since = Number(await change(markScript, [key], [token, wholeMs(markMs), 'new']));
      clock.learn(since);
      return { key, token, since };
    },

    async keepMark(key, token, markMs) {
      await change(markScript, [key], [token, wholeMs(markMs), 'kept']);
    },

    unmark,

    async unmarkWith(mark, field, value, keeping) {
      const isStored = await store(unmarkScript, mark.key, [field, value], { ...mark, keeping });
      if (!isStored && isCluster) await unmark(mark.key, mark.token);
      return isStored;
    },

    purgeTag: (tag) => changeTag(tag, 'drop'),
    expireTag: (tag) => changeTag(tag, 'expire'),
    markTag: (tag, token, markMs) => changeTag(tag, 'mark', token, markMs),
    unmarkTag: (tag, token) => changeTag(tag, 'unmark', token),
  };
}

interface By {
  readonly keeping: Keeping;
  readonly token: string;
  readonly since: number;
}

/** Redis takes whole milliseconds, and 0 would delete. */
function wholeMs(ms: number): string {
  return String(Math.max(1, Math.round(ms)));
}
