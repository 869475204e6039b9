/** The pattern as everyone writes it: get, load, set; delete after the write. To measure ours by. */
import type { TestClient } from '../support/redis.js';

/** What is driven through interleavings: a cache of ours fits, too. */
export interface Subject {
  get<Value>(key: string): Promise<Value | undefined>;
  getOrLoad<Value>(key: string, load: () => Promise<Value>): Promise<Value>;
  write<Value>(key: string, change: () => Promise<Value>): Promise<Value>;
  writeThrough<Value>(key: string, change: () => Promise<Value>): Promise<Value>;
  delete(key: string): Promise<unknown>;
  /** `getOrLoad` on the way for lists. */
  loadInList<Value>(key: string, load: () => Promise<Value>): Promise<Value>;
  /** `write` of all with a tag that the key carries. */
  writeTagged<Value>(tag: string, key: string, change: () => Promise<Value>): Promise<Value>;
  invalidate(tag: string, key: string): Promise<unknown>;
}

const TTL_S = 60;

/** Trouble with Redis fails nobody: what cannot be read is loaded, what cannot be stored or deleted is left as it is. */
export function textbookCache(client: TestClient, namespace: string): Subject {
  const spell = (key: string) => `${namespace}:${key}`;

  async function get<Value>(key: string): Promise<Value | undefined> {
    const text = await client.get(spell(key)).catch(() => null);
    return text === null ? undefined : JSON.parse(text);
  }

  async function set(key: string, value: unknown): Promise<void> {
    await client.set(spell(key), JSON.stringify(value), { EX: TTL_S }).catch(() => {});
  }

  async function forget(key: string): Promise<void> {
    await client.del(spell(key)).catch(() => {});
  }

  async function getOrLoad<Value>(key: string, load: () => Promise<Value>): Promise<Value> {
    const found = await get<Value>(key);
    if (found !== undefined) return found;
    const value = await load();
    await set(key, value);
    return value;
  }

  async function write<Value>(key: string, change: () => Promise<Value>): Promise<Value> {
    const result = await change();
    await forget(key);
    return result;
  }

  async function writeThrough<Value>(key: string, change: () => Promise<Value>): Promise<Value> {
    const value = await change();
    await set(key, value);
    return value;
  }

  return {
    get,
    getOrLoad,
    write,
    writeThrough,
    delete: forget,
    // It has neither lists nor tags.
    loadInList: getOrLoad,
    writeTagged: (_tag, key, change) => write(key, change),
    invalidate: (_tag, key) => forget(key),
  };
}
