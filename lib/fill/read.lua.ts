/** The script that reads keys and judges the tags of what they hold, where one server has it all. */
import { defineScript, type Script } from '../core/script.js';
import { hashLua } from './hash.lua.js';
import { tagLua } from './tag.lua.js';

/** Replies the time in us, then for each key what HMGET would: values, leases, tags, expired, mark. */
export const readScript: Script = defineScript(`
-- KEYS the keys   ARGV[1] the first key as its client spells it   ARGV[2] what comes before the names of tags
-- ARGV[3...] fields
${hashLua}
${tagLua}
-- A client may put a prefix of its own before all keys, so before the records of tags as well.
local record_prefix = string.sub(KEYS[1], 1, #KEYS[1] - #ARGV[1]) .. ARGV[2]
local asked, fields = {}, #ARGV - 2
for i = 1, fields do
  local field = ARGV[i + 2]
  asked[i], asked[fields + i] = field, 'lease:' .. field
  asked[2 * fields + i], asked[3 * fields + i] = 'tags:' .. field, 'expired:' .. field
end
asked[#asked + 1] = 'mark'

local known = {}
local function tag_of(name)
  if known[name] == nil then known[name] = read_tag(record_prefix .. name) or false end
  return known[name]
end

-- Tags whose text does not read back are purged.
local function judge(reply, i)
  local text = reply[2 * fields + i]
  if not reply[i] or not text then return end
  local since = tonumber(string.match(text, '^(%d+) ')) or 0
  for name in string.gmatch(text, ' (%S+)') do
    local tag = tag_of(name)
    if is_purged(tag, since) then
      reply[i] = false
      return
    end
    if since <= tag.soft then reply[3 * fields + i] = '1' end
  end
end

local replies = { string.format('%.0f', now_us()) }
for k = 1, #KEYS do
  local reply = redis.pcall('HMGET', KEYS[k], unpack(asked))
  if reply.err then
    if not string.find(reply.err, 'WRONGTYPE', 1, true) then error(reply.err) end
    reply = {}
    for i = 1, #asked do reply[i] = false end
  end
  for i = 1, fields do judge(reply, i) end
  replies[k + 1] = reply
end
return replies
`);
