/** The SQL of a trigger that tells of changed rows through NOTIFY, as `invalidateOnNotify` reads it. */
import { createHash } from 'node:crypto';
import { invalidOption } from '../core/errors.js';

export interface NotifyTriggerOptions {
  /** The table's name as it is stored: quoted here, so exact in case. */
  readonly table: string;
  /** Its schema. Default: the first in the `search_path` that has the table. */
  readonly schema?: string;
  /** What `invalidateOnNotify` listens to; 1 to 63 bytes. */
  readonly channel: string;
  /** The columns that the cache's keys are made of. Default `['id']`. */
  readonly keyColumns?: readonly string[];
  /**
   * Which changes are told of: a condition in SQL, put into the triggers as it is, without `old` and `new`. Default: all.
   * `current_setting('application_name') <> 'shop'` leaves out what an app of that name writes, for which `write` and
   * `writeThrough` see to the cache: told of it again, the cache would drop what `writeThrough` has just stored.
   */
  readonly when?: string;
}

/** NAMEDATALEN - 1: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS */
const LONGEST_NAME_BYTES = 63;
/** "In the default configuration it must be shorter than 8000 bytes": https://www.postgresql.org/docs/current/sql-notify.html */
const LONGEST_PAYLOAD_BYTES = 7_999;

/**
 * To be run once, in a migration; running it again does no harm. Each committed change sends
 * `{"table":"users","op":"UPDATE","keys":[{"id":"42"}]}`; without keys where they do not fit or all rows are gone.
 *
 * @throws SuiteError ERS_INVALID_OPTION
 */
export function notifyTriggerSql({
  table,
  schema,
  channel,
  keyColumns = ['id'],
  when,
}: NotifyTriggerOptions): string {
  if (!Array.isArray(keyColumns) || keyColumns.length === 0)
    throw invalidOption('keyColumns', keyColumns, "Name at least one column, such as ['id'].");
  if (when !== undefined && (typeof when !== 'string' || when.trim() === ''))
    throw invalidOption('when', when, 'Use a condition in SQL, or leave it out.');
  const condition = when === undefined ? '' : ` when (${when})`;
  const on =
    schema === undefined
      ? identifier('table', table)
      : `${identifier('schema', schema)}.${identifier('table', table)}`;
  const told = literal(name('channel', channel));
  const columns = keyColumns.map((column) => ({
    text: literal(column),
    column: identifier('keyColumns', column),
  }));
  const keyOf = (row: string) =>
    `json_build_object(${columns.map(({ text, column }) => `${text}, ${row}.${column}::text`).join(', ')})`;
  const isOtherKey = columns.map(({ column }) => `old.${column} is distinct from new.${column}`).join(' or ');
  // One per table, channel and columns, in whatever schema is current.
  const id = createHash('sha256')
    .update(JSON.stringify([schema, table, channel, keyColumns]))
    .digest('hex');
  const own = `"notify_cache_${id.slice(0, 16)}"`;

  const body = `
declare
  keys json[] := array[]::json[];
  payload text;
begin
  if tg_op = 'INSERT' then
    keys := array[${keyOf('new')}];
  elsif tg_op = 'DELETE' then
    keys := array[${keyOf('old')}];
  elsif tg_op = 'UPDATE' then
    keys := array[${keyOf('new')}];
    if ${isOtherKey} then keys := array_append(keys, ${keyOf('old')}); end if;
  end if;
  payload := json_build_object('table', tg_table_name, 'op', tg_op, 'keys', array_to_json(keys))::text;
  if tg_op = 'TRUNCATE' or octet_length(payload) > ${LONGEST_PAYLOAD_BYTES} then
    payload := json_build_object('table', tg_table_name, 'op', tg_op)::text;
  end if;
  perform pg_notify(${told}, payload);
  return null;
end
`;
  const quote = dollarQuote(body);
  return [
    `create or replace function ${own}() returns trigger language plpgsql as ${quote}${body}${quote};`,
    `drop trigger if exists ${own} on ${on};`,
    `create trigger ${own} after insert or update or delete on ${on} for each row${condition} execute function ${own}();`,
    `drop trigger if exists ${truncateNameOf(own)} on ${on};`,
    `create trigger ${truncateNameOf(own)} after truncate on ${on} for each statement${condition} execute function ${own}();`,
    '',
  ].join('\n');
}

function truncateNameOf(own: string): string {
  return own.replace(/"$/, '_t"');
}

function identifier(option: string, given: string): string {
  return `"${name(option, given).replaceAll('"', '""')}"`;
}

/** Postgres would cut a longer name short, and find another one, or none. */
function name(option: string, given: unknown): string {
  const isName = typeof given === 'string' && given !== '' && !given.includes('\0');
  const isText = isName && !/\p{Surrogate}/u.test(given);
  if (isText && Buffer.byteLength(given) <= LONGEST_NAME_BYTES) return given;
  throw invalidOption(option, given, `Use a name of 1 to ${LONGEST_NAME_BYTES} bytes.`);
}

/** Whatever `standard_conforming_strings` says. */
function literal(text: string): string {
  const quoted = text.replaceAll("'", "''");
  return quoted.includes('\\') ? ` E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
}

/** One that is not in the text. */
function dollarQuote(text: string): string {
  for (let i = 0; ; i += 1) {
    const quote = `$body${i}$`;
    if (!text.includes(quote)) return quote;
  }
}
