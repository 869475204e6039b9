/** The scripts around a key's marks, under which nothing is served or stored, and the one that forgets a key. */
import { defineScript, type Script } from '../core/script.js';
import { hashLua } from './hash.lua.js';
import { tagLua } from './tag.lua.js';

/** Replies when, in us. */
export const markScript: Script = defineScript(`
-- KEYS[1] the key   ARGV[1] token   ARGV[2] mark in ms   ARGV[3] 'new' or 'kept'
${hashLua}
local key, token, mark_ms = KEYS[1], ARGV[1], tonumber(ARGV[2])
local since = now_us()
local now = math.floor(since / 1000)
local live, is_contended = live_marks(read_fields(key, 'mark')[1], now)
local marks, was_there = { { token = token, expiry = now + mark_ms } }, false
for _, mark in ipairs(live) do
  if mark.token == token then was_there = true else marks[#marks + 1] = mark end
end
-- While a mark was lost, other writers may have come and gone.
local was_lost = ARGV[3] == 'kept' and not was_there
keep_only_marks(key, marks, is_contended or was_lost or #marks > 1)
return string.format('%.0f', since)
`);

/** Replies 1 when the value was stored. */
export const unmarkScript: Script = defineScript(`
-- KEYS[1] the key   KEYS[2...] the records of its tags, unless a cluster keeps them elsewhere
-- ARGV[1] field or ''   ARGV[2] value   ARGV[3] ttl in ms   ARGV[4] the names of its tags   ARGV[5] token   ARGV[6] since
${hashLua}
${tagLua}
local key, field, ttl_ms, token, since = KEYS[1], ARGV[1], tonumber(ARGV[3]), ARGV[5], tonumber(ARGV[6])
local now = now_us()
local live, is_contended = live_marks(read_fields(key, 'mark')[1], now / 1000)
local others, is_own = {}, false
for _, mark in ipairs(live) do
  if mark.token == token then is_own = true else others[#others + 1] = mark end
end
-- A writer whose mark was lost, or never set, has written all the same: the others' values may be the older ones.
keep_only_marks(key, others, is_contended or not is_own)
if field == '' or not is_own or is_contended or #others > 0 then return 0 end
if enter_tags(since, now, ttl_ms) then return 0 end
store_value(key, field, ARGV[2], ttl_ms, ARGV[4], since)
return 1
`);

/** Replies 1 when there was a value. */
export const dropScript: Script = defineScript(`
-- KEYS[1] the key
${hashLua}
local key = KEYS[1]
local live = live_marks(read_fields(key, 'mark')[1], now_ms())
local has_value = 0
for _, field in ipairs(redis.call('HKEYS', key)) do
  if is_value(field) then has_value = 1 end
end
-- Whoever drops a key knows of a change that the writer at work may not know of.
keep_only_marks(key, live, true)
return has_value
`);

/** Replies 1 when there was a value. */
export const expireScript: Script = defineScript(`
-- KEYS[1] the key
${hashLua}
local key = KEYS[1]
local live = live_marks(read_fields(key, 'mark')[1], now_ms())
if #live > 0 then
  keep_only_marks(key, live, true)
  return 0
end
local has_value = 0
for _, field in ipairs(redis.call('HKEYS', key)) do
  if string.sub(field, 1, 6) == 'lease:' then redis.call('HDEL', key, field) end
  if is_value(field) then
    redis.call('HSET', key, 'expired:' .. field, '1')
    has_value = 1
  end
end
announce()
return has_value
`);
