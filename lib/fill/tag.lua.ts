/** The scripts around a tag's record: when it was last purged, and which writers are at work on what carries it. */
import { defineScript, type Script } from '../core/script.js';
import { clockLua } from './hash.lua.js';

/**
 * A record is `<hard> <soft>` and ` <token>:<expiry>` for each mark, in us by Redis' clock: what began at or before
 * `hard` or any mark's expiry is gone (a mark is a purge ahead of its time), at or before `soft` expired. It outlives
 * every value and every load it concerns. So one that is missing was evicted, and what carries the tag is gone.
 */
export const tagLua = `
-- Longer than any load lasts.
local LONGEST_FILL_MS = 15 * 60000
-- How far back values that carry a tag without a record may have begun: loads that meet at a new tag are all stored. But
-- its record may have been evicted, and with it a purge: what began before that and is within reach comes back.
local NEW_TAG_REACH_US = 5 * 1000000

local function read_tag(key)
  local record = redis.pcall('GET', key)
  if type(record) ~= 'string' then return nil end
  local hard, soft, marks = string.match(record, '^(%d+) (%d+)(.*)$')
  if not hard or #hard > 16 or #soft > 16 then return nil end
  local tag = { hard = tonumber(hard), soft = tonumber(soft), marks = {} }
  for token, expiry in string.gmatch(marks, '(%S+):(%d+)') do
    if #expiry <= 16 then tag.marks[token] = tonumber(expiry) end
  end
  return tag
end

local function write_tag(key, tag, ttl_ms)
  local words = { string.format('%.0f %.0f', tag.hard, tag.soft) }
  for token, expiry in pairs(tag.marks) do words[#words + 1] = string.format('%s:%.0f', token, expiry) end
  redis.call('SET', key, table.concat(words, ' '), 'PX', string.format('%.0f', ttl_ms))
end

local function is_purged(tag, since)
  if not tag or since <= tag.hard then return true end
  for _, expiry in pairs(tag.marks) do
    if since <= expiry then return true end
  end
  return false
end

-- The record of a tag that a value is about to carry for so long; it cannot say of older loads that nothing purged them.
local function enter_tag(key, since, ttl_ms)
  local tag = read_tag(key)
  if not tag then
    local oldest = math.max(0, since - NEW_TAG_REACH_US)
    tag = { hard = oldest, soft = oldest, marks = {} }
    write_tag(key, tag, ttl_ms + 1000)
  elseif redis.call('PTTL', key) < ttl_ms + 1000 then
    redis.call('PEXPIRE', key, ttl_ms + 1000)
  end
  return tag
end

-- Whether any of the records KEYS[2...] says that what began then is gone.
local function enter_tags(since, now, ttl_ms)
  local is_gone = #KEYS > 1 and now - since > LONGEST_FILL_MS * 1000
  for i = 2, #KEYS do
    if is_purged(enter_tag(KEYS[i], since, ttl_ms), since) then is_gone = true end
  end
  return is_gone
end
`;

/** Replies the record. */
export const purgeTagScript: Script = defineScript(`
-- KEYS[1] the tag's record
-- ARGV[1] 'drop', 'expire', 'mark' or 'unmark'   ARGV[2] the time in us, where this node's clock may be behind, or 0
-- and, of a mark: ARGV[3] token   ARGV[4] mark in ms
${clockLua}
${tagLua}
local key, act, token, mark_ms = KEYS[1], ARGV[1], ARGV[3], tonumber(ARGV[4] or 0)
local now = math.max(now_us(), tonumber(ARGV[2]))
local tag = read_tag(key) or { hard = now, soft = now, marks = {} }
for other, expiry in pairs(tag.marks) do
  if expiry <= now then
    tag.hard, tag.marks[other] = math.max(tag.hard, expiry), nil
  end
end
if act == 'expire' then tag.soft = math.max(tag.soft, now) else tag.hard = math.max(tag.hard, now) end
if act == 'mark' then tag.marks[token] = now + mark_ms * 1000 end
if act == 'unmark' then tag.marks[token] = nil end
local ttl_ms = math.max(redis.call('PTTL', key), LONGEST_FILL_MS, mark_ms)
-- First, because a script's first write is the one that maxmemory refuses, and it never refuses this one.
redis.call('UNLINK', key)
write_tag(key, tag, ttl_ms)
announce()
return 1
`);

/** For a cluster, where a tag's record is on another node than the values: replies 1 when what began then is gone. */
export const enterTagScript: Script = defineScript(`
-- KEYS[1] the tag's record   ARGV[1] since   ARGV[2] ttl in ms
${clockLua}
${tagLua}
local since, ttl_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local is_gone = now_us() - since > LONGEST_FILL_MS * 1000
if is_purged(enter_tag(KEYS[1], since, ttl_ms), since) or is_gone then return 1 end
return 0
`);
