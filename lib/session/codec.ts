/** A session as text and back: the serializer's text, and beside it when the session began. */
import type { SessionData } from 'express-session';
import { DEEPEST, isTooDeep } from '../core/depth.js';
import { SuiteError } from '../core/errors.js';
import { asSession } from './entry.js';

/** connect-redis' option `serializer`; here both ways may be asynchronous. */
export interface Serializer {
  parse(text: string): SessionData | Promise<SessionData>;
  stringify(session: SessionData): string | Promise<string>;
}

export interface Entry {
  readonly data: SessionData;
  /** When the session began, in milliseconds since 1970; undefined when nobody wrote it down. */
  readonly createdMs: number | undefined;
  /** The JSON of `data`, when that is what it was made of. */
  readonly json: string | undefined;
}

/** What of a session is not in its data. */
export interface Particulars {
  readonly createdMs: number | undefined;
  /** The session as Redis knows it: see `SessionName`. */
  readonly id: string;
}

export interface Codec {
  /** @throws SuiteError ERS_SESSION_TOO_LARGE */
  encode(session: SessionData, particulars: Particulars): string | Promise<string>;
  /** Undefined when there is no session in it; a promise where the serializer returns one. */
  decode(text: string, id: string): Entry | undefined | Promise<Entry | undefined>;
}

/**
 * The beginning is a field of its own, the first one, and no handler gets to see it.
 *
 * Not a second key: that could be evicted or end before its session does, and a session without a beginning would begin
 * anew. Not in the cookie: a process on connect-redis would drop it with its next save, and it keeps every top-level
 * field, in its place. The first, since a script finds it there without decoding the rest, and nothing that a user puts
 * into a session can come before it.
 */
const CREATED = 'ers:created';
const STAMP = /^\{"ers:created":(\d{1,16}),(?=")/;

export function codecOf(serializer: Serializer): Codec {
  return (serializer as unknown) === JSON ? jsonCodec : codecWith(serializer);
}

/** @param maxBytes how long a session may be in Redis, encrypted if it is. */
export function limitedCodec(inner: Codec, maxBytes: number): Codec {
  function limited(text: string): string {
    const bytes = Buffer.byteLength(text);
    if (bytes <= maxBytes) return text;
    throw new SuiteError(
      'ERS_SESSION_TOO_LARGE',
      `session: ${bytes} bytes are more than maxBytes (${maxBytes}). Keep in the session what identifies things, and the things elsewhere.`,
    );
  }

  return {
    encode(session, particulars) {
      const text = inner.encode(session, particulars);
      return typeof text === 'string' ? limited(text) : text.then(limited);
    },
    decode: inner.decode,
  };
}

const jsonCodec: Codec = {
  encode(session, { createdMs }) {
    const json = JSON.stringify(withoutCreated(session));
    requireReadable(session, json);
    return createdMs === undefined || json === '{}' ? json : `{"${CREATED}":${createdMs},${json.slice(1)}`;
  },

  decode(text) {
    const stamp = text.startsWith(`{"${CREATED}`) ? STAMP.exec(text) : null;
    const json = stamp === null ? text : `{${text.slice(stamp[0].length)}`;
    const entry = entryOf(parsedJson(json), json);
    return entry === undefined || stamp === null ? entry : { ...entry, createdMs: Number(stamp[1]) };
  },
};

function codecWith(serializer: Serializer): Codec {
  return {
    encode(session, { createdMs }) {
      const data = withoutCreated(session);
      const dated = createdMs === undefined ? data : Object.assign({ [CREATED]: createdMs }, data);
      requireReadable(data);
      return serializer.stringify(dated);
    },

    decode(text) {
      try {
        const parsed = serializer.parse(text);
        const isPromise = typeof (parsed as Partial<Promise<SessionData>> | null)?.then === 'function';
        return isPromise ? entryLater(parsed) : entryOf(parsed);
      } catch {
        return undefined;
      }
    },
  };
}

async function entryLater(parsing: SessionData | Promise<SessionData>): Promise<Entry | undefined> {
  try {
    return entryOf(await parsing);
  } catch {
    return undefined;
  }
}

function entryOf(parsed: unknown, json?: string): Entry | undefined {
  const data = asSession(parsed, json) as (SessionData & { [CREATED]?: unknown }) | undefined;
  if (data === undefined) return undefined;
  if (!Object.hasOwn(data, CREATED)) return { data, createdMs: undefined, json };
  const created = data[CREATED];
  delete data[CREATED];
  return { data, createdMs: Number.isFinite(created) ? (created as number) : undefined, json: undefined };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a client sent as JSON may be nested without end: better to refuse it here than to lose the session at its next read. */
function requireReadable(session: SessionData, json?: string): void {
  if (!isTooDeep(session, json)) return;
  throw new SuiteError(
    'ERS_SESSION_TOO_LARGE',
    `session: something in it is nested more than ${DEEPEST} levels deep. Keep in the session what identifies things, and the things elsewhere.`,
  );
}

/** A handler may have made a field of that name, which must not count for ours. */
function withoutCreated(session: SessionData): SessionData {
  if (!Object.hasOwn(session, CREATED)) return session;
  const { [CREATED]: _created, ...data } = session as SessionData & { [CREATED]?: unknown };
  return data as SessionData;
}
