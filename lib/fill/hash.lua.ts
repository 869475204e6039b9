/** What all scripts of the fill store share: how a key's hash is read, and what its bookkeeping fields mean. */

/**
 * The time in microseconds, by which purges and the loads they concern are told apart; `%.0f` keeps all 16 digits. And
 * the message about what a script changes: scripts that change what others may have copied get its channel and its text
 * as their last two arguments.
 */
export const clockLua = `
-- To whoever keeps copies, and whoever waits. Who has no right to publish can still be cached for.
local function announce()
  redis.pcall('PUBLISH', ARGV[#ARGV - 1], ARGV[#ARGV])
end

local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
`;

/**
 * A key is one hash: values in fields of their own, `tags:<field>` = `<since> <tag> <tag>...`, `expired:<field>` where
 * the value was purged softly, `lease:<field>` = `<token> <expiry>`, `mark` = `<token>:<expiry>` of every writer at
 * work, one space between, with a `!` in front once writers overlapped. All by Redis' clock; expiries in ms.
 */
export const hashLua: string = `
${clockLua}
local function now_ms()
  return math.floor(now_us() / 1000)
end

local function is_value(field)
  if field == 'mark' then return false end
  local kind = string.match(field, '^(%l+):')
  return kind ~= 'lease' and kind ~= 'tags' and kind ~= 'expired'
end

-- Fields of the hash; all absent when something of another type lies there, which then goes.
local function read_fields(key, ...)
  local fields = redis.pcall('HMGET', key, ...)
  if not fields.err then return fields end
  if not string.find(fields.err, 'WRONGTYPE', 1, true) then error(fields.err) end
  redis.call('UNLINK', key)
  return {}
end

-- Who holds a lease, while it lasts.
local function holder(lease, now)
  local token, expiry = string.match(lease or '', '^(%S+) (%d+)$')
  if token and tonumber(expiry) > now then return token end
end

-- The writers still at work, and whether any two of them overlapped. A number of over 15 digits is none of ours.
local function live_marks(mark, now)
  local live = {}
  for token, expiry in string.gmatch(mark or '', '(%S+):(%d+)') do
    if #expiry <= 15 and tonumber(expiry) > now then
      live[#live + 1] = { token = token, expiry = tonumber(expiry) }
    end
  end
  return live, string.sub(mark or '', 1, 1) == '!'
end

-- The key holds these marks and nothing else; it ends with the longest. UNLINK comes first because a script's first
-- write is the one that maxmemory refuses, and it never refuses this one.
local function keep_only_marks(key, live, is_contended)
  redis.call('UNLINK', key)
  announce()
  if #live == 0 then return end
  local words, longest = {}, 0
  if is_contended then words[1] = '!' end
  for _, mark in ipairs(live) do
    words[#words + 1] = string.format('%s:%.0f', mark.token, mark.expiry)
    longest = math.max(longest, mark.expiry)
  end
  redis.call('HSET', key, 'mark', table.concat(words, ' '))
  redis.call('PEXPIREAT', key, string.format('%.0f', longest))
end

-- One field's shorter life never cuts another's short.
local function store_value(key, field, value, ttl_ms, tags, since)
  redis.call('HSET', key, field, value)
  announce()
  redis.call('HDEL', key, 'lease:' .. field, 'tags:' .. field, 'expired:' .. field, 'mark')
  local is_alone = redis.call('HLEN', key) == 1
  if tags ~= '' then redis.call('HSET', key, 'tags:' .. field, string.format('%.0f %s', since, tags)) end
  if is_alone or redis.call('PTTL', key) < ttl_ms then
    redis.call('PEXPIRE', key, ttl_ms)
  end
end
`;
