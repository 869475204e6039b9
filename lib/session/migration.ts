/** Takes sessions over from where they were before, so that no request finds one in neither place. */
import type { SessionData } from 'express-session';
import type { SessionName } from './names.js';
import type { Moving, Source } from './old-store.js';
import { destroySession, NOTHING_IS_THERE, type Saving, setIf } from './save.js';
import { GONE, SAVED } from './save.lua.js';

/** What is done for a session that has moved in. */
type Moved = (sid: string, session: SessionData) => Promise<void>;

export class Migration {
  readonly #sources: readonly Source[];
  readonly #saving: Saving;
  readonly #moved: Moved;

  constructor(sources: readonly Source[], saving: Saving, moved: Moved) {
    this.#sources = sources;
    this.#saving = saving;
    this.#moved = moved;
  }

  /**
   * Moves a session in and returns its bytes; null when it was destroyed meanwhile, or has ended; undefined when it is in
   * none of the sources.
   */
  async adopt(
    sid: string,
    name: SessionName,
    beginningOf: (session: SessionData) => number | undefined,
  ): Promise<Buffer | null | undefined> {
    for (const source of this.#sources) {
      const found = await source.read(sid);
      if (found === null) continue;
      const moving = { data: found.data, createdMs: found.createdMs ?? beginningOf(found.data) };
      const stored = await this.#moveIn(sid, name, moving, source);
      if (stored !== null) await this.#moved(sid, found.data);
      return stored;
    }
    return undefined;
  }

  /** Returns whether there was one in any of them, as far as they say. */
  async destroy(sid: string): Promise<boolean> {
    const destroyed = await Promise.all(this.#sources.map((source) => source.destroy(sid)));
    return destroyed.includes(true);
  }

  async #moveIn(
    sid: string,
    name: SessionName,
    { data, createdMs }: Moving,
    source: Source,
  ): Promise<Buffer | null> {
    const { guard, codec, endsInMs } = this.#saving;
    const remainingMs = endsInMs(data, createdMs);
    if (remainingMs <= 0) return null;
    const text = await codec.encode(data, { createdMs, id: name.id });
    const draft = { text, endsInMs: remainingMs };
    const [outcome, others] = await setIf(guard, name, draft, NOTHING_IS_THERE);
    if (outcome === GONE) return null;
    // Another request was faster.
    if (outcome !== SAVED) return others ?? null;
    // A copy that stays behind is not asked for while this one is here, and a logout tries again to destroy it.
    const wasThere = await source.destroy(sid).catch(() => undefined);
    if (wasThere !== false) return Buffer.from(text);
    // Somebody destroyed it there while it was moving.
    await destroySession(guard, name);
    return null;
  }
}
