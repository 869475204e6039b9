/** The scripts around one field's lease: take it, keep it, store under it, give it back; and store without one. */
import { defineScript, type Script } from '../core/script.js';
import { hashLua } from './hash.lua.js';
import { tagLua } from './tag.lua.js';

/** Replies { when, value found, its tags, whether expired, value beside }, or nil while the field is leased or the key marked. */
export const acquireScript: Script = defineScript(`
-- KEYS[1] the key   ARGV[1] field   ARGV[2] token   ARGV[3] lease in ms   ARGV[4] another field to look at
${hashLua}
local key, field, token, lease_ms = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local since = now_us()
local now = math.floor(since / 1000)
local fields = read_fields(key, field, 'lease:' .. field, 'mark', 'tags:' .. field, 'expired:' .. field, ARGV[4])
if #live_marks(fields[3], now) > 0 or holder(fields[2], now) then return false end
-- Marks end with their key, unless someone changed its TTL by hand.
if fields[3] then redis.call('HDEL', key, 'mark') end
redis.call('HSET', key, 'lease:' .. field, string.format('%s %.0f', token, now + lease_ms))
if redis.call('PTTL', key) < lease_ms then redis.call('PEXPIRE', key, lease_ms) end
return { string.format('%.0f', since), fields[1], fields[4], fields[5], fields[6] }
`);

/** Replies 1, or 0 when the lease is lost. */
export const renewScript: Script = defineScript(`
-- KEYS[1] the key   ARGV[1] field   ARGV[2] token   ARGV[3] lease in ms
${hashLua}
local key, field, token, lease_ms = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = now_ms()
if holder(read_fields(key, 'lease:' .. field)[1], now) ~= token then return 0 end
redis.call('HSET', key, 'lease:' .. field, string.format('%s %.0f', token, now + lease_ms))
if redis.call('PTTL', key) < lease_ms then redis.call('PEXPIRE', key, lease_ms) end
return 1
`);

/** Replies 1, or 0 when the lease is lost or a tag was purged, and nothing was stored. */
export const commitScript: Script = defineScript(`
-- KEYS[1] the key   KEYS[2...] the records of its tags, unless a cluster keeps them elsewhere
-- ARGV[1] field   ARGV[2] value   ARGV[3] ttl in ms   ARGV[4] the names of its tags   ARGV[5] token   ARGV[6] since
-- and, to limit: ARGV[7] most values   ARGV[8] the field beside them
${hashLua}
${tagLua}
local key, field, ttl_ms, token, since = KEYS[1], ARGV[1], tonumber(ARGV[3]), ARGV[5], tonumber(ARGV[6])
local now = now_us()
-- A mark removes all leases, so a lease that stands also says that there is no mark.
if holder(read_fields(key, 'lease:' .. field)[1], now / 1000) ~= token then return 0 end
if enter_tags(since, now, ttl_ms) then
  redis.call('HDEL', key, 'lease:' .. field)
  return 0
end
store_value(key, field, ARGV[2], ttl_ms, ARGV[4], since)
local max_values = tonumber(ARGV[7])
if max_values and redis.call('HLEN', key) > max_values then
  local others = {}
  for _, other in ipairs(redis.call('HKEYS', key)) do
    if is_value(other) and other ~= field and other ~= ARGV[8] then others[#others + 1] = other end
  end
  for i = 1, #others + 1 - max_values do
    redis.call('HDEL', key, others[i], 'tags:' .. others[i], 'expired:' .. others[i])
  end
end
return 1
`);

/** Replies 1 when the lease was still there. */
export const releaseScript: Script = defineScript(`
-- KEYS[1] the key   ARGV[1] field   ARGV[2] token
${hashLua}
local key, field, token = KEYS[1], ARGV[1], ARGV[2]
if holder(read_fields(key, 'lease:' .. field)[1], now_ms()) ~= token then return 0 end
return redis.call('HDEL', key, 'lease:' .. field)
`);

/** Replies 1, or 0 when the key is marked and nothing was stored. */
export const putScript: Script = defineScript(`
-- KEYS[1] the key   KEYS[2...] the records of its tags, unless a cluster keeps them elsewhere
-- ARGV[1] field   ARGV[2] value   ARGV[3] ttl in ms   ARGV[4] the names of its tags
${hashLua}
${tagLua}
local key, field, ttl_ms, now = KEYS[1], ARGV[1], tonumber(ARGV[3]), now_us()
local live = live_marks(read_fields(key, 'mark')[1], now / 1000)
if #live > 0 then
  -- The writer at work cannot know which of the two is the newer.
  keep_only_marks(key, live, true)
  return 0
end
enter_tags(now, now, ttl_ms)
store_value(key, field, ARGV[2], ttl_ms, ARGV[4], now)
return 1
`);
