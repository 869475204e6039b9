/** The index of a user's sessions: one hash per user, a field per session, and one that changes with every revocation. */
import { defineScript, type Script } from '../core/script.js';

/** The field that a revocation gives a new value; no handle is as short. */
const REVOCATION = 'revoked';
/** What stands for its value where nothing was ever revoked. */
const NEVER_REVOKED = 'never';
/** An entrance that does not care about revocations. */
export const ANY_TIME = '*';

/** A value of another type at this key is no index and goes. */
const clearForeignValue = `
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('UNLINK', KEYS[1]) end
`;

/**
 * Enters one session, or enters it again with what is known of it now; when it came is kept.
 *
 * Reply: `{ 0 }` refused, as the user's sessions were revoked meanwhile; else `{ 1, n, handle, entry, ... }`: how many
 * sessions the user has, and some others to look after.
 */
export const enterScript: Script = defineScript(`
-- KEYS[1]  the index
-- ARGV[1]  the session's handle
-- ARGV[2]  what is known of it
-- ARGV[3]  how long the index shall live, in ms; 0: for ever
-- ARGV[4]  the revocation that must not have been followed by another; '${ANY_TIME}': any
-- ARGV[5]  how many others the reply has at most
-- ARGV[6]  how many sessions the user may have; 0: any number
-- ARGV[7]  how many others it has of a user with more
${clearForeignValue}
local revocation = redis.call('HGET', KEYS[1], '${REVOCATION}') or '${NEVER_REVOKED}'
if ARGV[4] ~= '${ANY_TIME}' and ARGV[4] ~= revocation then return { 0 } end

local before = redis.call('HGET', KEYS[1], ARGV[1])
local since = before and string.match(before, '^1 (%d+) ')
if not since then
  local now = redis.call('TIME')
  since = now[1] .. string.format('%06d', now[2])
end
redis.call('HSET', KEYS[1], ARGV[1], '1 ' .. since .. ' ' .. ARGV[2])
if ARGV[3] == '0' then
  redis.call('PERSIST', KEYS[1])
elseif redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end

local count, most = redis.call('HLEN', KEYS[1]) - redis.call('HEXISTS', KEYS[1], '${REVOCATION}'), tonumber(ARGV[6])
local reply = { 1, count }
-- Others each time.
local all = redis.call('HRANDFIELD', KEYS[1], most > 0 and count > most and ARGV[7] or ARGV[5], 'WITHVALUES')
for i = 1, #all, 2 do
  if all[i] ~= ARGV[1] and all[i] ~= '${REVOCATION}' then
    reply[#reply + 1] = all[i]
    reply[#reply + 1] = all[i + 1]
  end
end
return reply
`);

/** Reply: the revocation that a login which begins now has seen. */
export const admitScript: Script = defineScript(`
-- KEYS[1]  the index
${clearForeignValue}
return redis.call('HGET', KEYS[1], '${REVOCATION}') or '${NEVER_REVOKED}'
`);

/** Takes out what has ended, and the oldest above the limit. Reply: the latter, handles and what was known of them, in turn. */
export const trimScript: Script = defineScript(`
-- KEYS[1]  the index
-- ARGV[1]  how many sessions the user may have; 0: any number
-- ARGV[2]... handles of sessions that have ended
${clearForeignValue}
for i = 2, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
local most = tonumber(ARGV[1])
if most == 0 or redis.call('HLEN', KEYS[1]) <= most then return {} end

local sessions = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] ~= '${REVOCATION}' then
    sessions[#sessions + 1] = {
      handle = all[i],
      entry = all[i + 1],
      since = tonumber(string.match(all[i + 1], '^1 (%d+) ') or 0),
    }
  end
end
table.sort(sessions, function(a, b)
  if a.since ~= b.since then return a.since < b.since end
  return a.handle < b.handle
end)
local out = {}
for i = 1, #sessions - most do
  redis.call('HDEL', KEYS[1], sessions[i].handle)
  out[#out + 1] = sessions[i].handle
  out[#out + 1] = sessions[i].entry
end
return out
`);

/** Reply: handles and what is known of them, in turn. */
export const entriesScript: Script = defineScript(`
-- KEYS[1]  the index
-- ARGV[1]  the handle of the only one that is asked for; none: of all
${clearForeignValue}
if ARGV[1] then
  local entry = redis.call('HGET', KEYS[1], ARGV[1])
  return entry and { ARGV[1], entry } or {}
end
return redis.call('HGETALL', KEYS[1])
`);

/** Turns away whoever began to log in before. Reply: handles and what is known of them, in turn. */
export const revokeScript: Script = defineScript(`
-- KEYS[1]  the index
-- ARGV[1]  a value for the revocation that was never there before
-- ARGV[2]  how long it shall be remembered at least, in ms
${clearForeignValue}
local isNew = redis.call('EXISTS', KEYS[1]) == 0
redis.call('HSET', KEYS[1], '${REVOCATION}', ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if isNew or (left ~= -1 and left < tonumber(ARGV[2])) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('HGETALL', KEYS[1])
`);

/** Reply: how long a session has to live, in ms; -1: it has no end, -2: there is none. */
export const leftScript: Script = defineScript(`
-- KEYS[1]  the session
return redis.call('PTTL', KEYS[1])
`);
