/** The sliding window inside Redis: one script decides and records. */
import { defineScript, type Script } from '../core/script.js';
import { ordinaryLua } from './ordinary.lua.js';

/**
 * A key is a sorted set with an entry per request. The member is the microsecond it was taken, by Redis' clock; the score
 * is the running count, all units taken up to and with this entry. So the units within a window are one subtraction, whatever
 * each request cost: the newest score, less that of the newest entry that has left. An entry `0` keeps that count when the
 * entries before it are dropped. Members and scores both strictly increase, so that ranks are in the order of time and a
 * time identifies a request. Up to 128 entries of small integers stay in a listpack.
 *
 * A key that is shut has a last entry `until:<microsecond>` with an infinite score: no allowed request pays for the look.
 *
 * Numbers go to redis.call as they are, which writes all 16 digits; Lua's own tostring keeps 14. Where most requests pass,
 * the time stays text: writing it out costs as much as a command.
 */
export const takeScript: Script = defineScript(`
-- KEYS[1]       the client's hits
-- ARGV[1]       cost: the units this request takes
-- ARGV[2]       record: '0' nothing, '1' when allowed, '2' rejected requests too
-- ARGV[3]       span: microseconds whose hits share an entry; 0 when each has its own
-- ARGV[4]       block: microseconds that the key is shut after a rejection; 0 when it is not
-- ARGV[5], [6]  the longest window, in microseconds, and its limit, in units
-- ARGV[7] ...   further windows and limits
-- returns { allowed: 1 or 0, retry: microseconds or -1 for never, mark: the entry's time or 0, used, reset: microseconds,
--           which window used and reset speak of: 0 the longest, 1 the first further one ... }
local call = redis.call
local key, record = KEYS[1], ARGV[2]
local cost, span, longest = ARGV[1] + 0, ARGV[3] + 0, ARGV[5] + 0

local time = call('TIME')
local now = #time[2] == 6 and time[1] .. time[2] or string.format('%s%06d', time[1], time[2])
local clock = now + 0

-- Times of the first entry and of the newest hit, and the running count; no times when there is nothing.
local first, newest, total
local last = redis.pcall('ZRANGE', key, '-1', '-1', 'WITHSCORES')

${ordinaryLua}
local blocked, block = 0, ARGV[4] + 0

local function keep(stamp)
  call('PEXPIRE', key, math.floor((2 * longest + stamp - clock + math.max(block, blocked)) / 1000 + 1000))
end

local function shut(micros)
  call('ZADD', key, 'inf', 'until:' .. string.format('%.0f', clock + micros))
  blocked = micros
  keep(clock)
end

-- Writes all entries anew, with times and counts that are less by this.
local function shift(micros, units)
  local entries = call('ZRANGE', key, '0', '-1', 'WITHSCORES')
  call('UNLINK', key)
  for i = 1, #entries, 2 do
    local taken = tonumber(entries[i])
    call('ZADD', key, entries[i + 1] - units, taken and math.max(0, taken - micros) or entries[i])
  end
  keep(clock)
end

local function at(rank)
  local entry = call('ZRANGE', key, rank, rank, 'WITHSCORES')
  return tonumber(entry[1]) or math.huge, tonumber(entry[2])
end

if last.err then
  if not string.find(last.err, 'WRONGTYPE', 1, true) then return last end
  call('UNLINK', key)
  last = {}
elseif last[2] == 'inf' then
  blocked = (tonumber(string.sub(last[1], 7)) or 0) - clock
  -- The clock went back, or blocks are shorter now, or none: nobody is shut out for longer than is said.
  local excess = blocked > block
  if blocked <= 0 or excess then
    call('ZREM', key, last[1])
    blocked = 0
  end
  if excess and block > 0 then shut(block) end
  last = call('ZRANGE', key, blocked > 0 and '-2' or '-1', blocked > 0 and '-2' or '-1', 'WITHSCORES')
end

newest = nil
if last[1] then
  newest, total = tonumber(last[1]), tonumber(last[2])
  first = first or tonumber(call('ZRANGE', key, '0', '0')[1])
  if not (newest and first and newest >= first and newest < 9007199254740992 and total > 0 and total < 1e15) then
    -- Not ours: begin anew rather than fail for ever.
    call('UNLINK', key)
    newest = nil
  elseif newest - clock > longest + span then
    -- The clock went back by more than a window (a failover, a restored machine). Move the hits back with it, keeping
    -- their distances, or the client would wait for the clock to catch up.
    shift(newest - clock, 0)
    first, newest = math.max(0, first + clock - newest), clock
  end
end
if not newest then total = 0 end

-- The running count where the window begins, the time of the oldest hit within, and the rank before that.
local function beginning(window)
  local cutoff = clock - window
  if not newest or newest <= cutoff then return total end
  if first > cutoff then return 0, first end
  -- A busy key has a few to drop; only after a pause it is worth searching.
  local few = head or call('ZRANGE', key, '0', '5', 'WITHSCORES')
  head = nil
  for i = 3, #few, 2 do
    local taken = tonumber(few[i]) or math.huge
    if taken > cutoff then return tonumber(few[i - 1]), taken, (i - 3) / 2 end
  end
  local left, step, live = 5, 1, call('ZCARD', key)
  while left + step < live and at(left + step) <= cutoff do
    left = left + step
    step = 2 * step
  end
  live = math.min(live, left + step)
  while live - left > 1 do
    local middle = math.floor((left + live) / 2)
    if at(middle) <= cutoff then left = middle else live = middle end
  end
  local _, base = at(left)
  return base, (at(live)), left
end

-- Counting starts from here, whatever the clock does: what has left never comes back.
local function forget(count)
  call('ZREMRANGEBYSCORE', key, '-inf', count)
  call('ZADD', key, count, '0')
end

local base, oldest, left = beginning(longest)
if newest and not oldest then
  -- Everything has left, but for the end of a block.
  if blocked == 0 then call('UNLINK', key) else call('ZREMRANGEBYRANK', key, '0', '-2') end
  newest, total, base = nil, 0, 0
elseif left and (left > 0 or first > 0) then
  forget(base)
  first = 0
end
-- The count of a key that never rests would grow beyond what a score can hold.
if base > 5e14 then
  shift(0, base)
  total, base = total - base, 0
end

local allowed = blocked == 0
local bases, oldests = { base }, { oldest or false }
for i = 5, #ARGV, 2 do
  local n = (i - 3) / 2
  if n > 1 then
    bases[n], oldests[n] = beginning(ARGV[i] + 0)
  end
  if total - bases[n] + cost > ARGV[i + 1] + 0 then allowed = false end
end

local units, live = 0, total - base
if allowed and record ~= '0' then
  units = cost
elseif record == '2' then
  units = math.min(cost, ARGV[6] + 0)
end

local stamp = 0
if units > 0 then
  stamp = span > 0 and math.ceil(clock / span) * span or clock
  if newest and newest >= stamp then stamp = span > 0 and newest or newest + 1 end
  total = total + units
  call('ZADD', key, total, stamp)
  -- Two windows from the first hit in each window: one PEXPIRE per window outlives every hit in it.
  if not newest or math.floor(newest / longest) ~= math.floor(stamp / longest) then keep(stamp) end
  -- Of rejections only the newest units decide anything: as many as the limit, or as were live, for other requests may have
  -- a greater limit.
  local enough = math.max(ARGV[6] + 0, live)
  if not allowed and total - enough > base then forget(total - enough) end
end

if not allowed and blocked == 0 and block > 0 and record ~= '0' then shut(block) end

local retry, which, least = blocked, 1, math.huge
for i = 5, #ARGV, 2 do
  local window, limit, n = ARGV[i] + 0, ARGV[i + 1] + 0, (i - 3) / 2
  local used = total - bases[n]
  local rank = limit - used
  if not allowed and used + cost > limit then
    local wait = math.huge
    if cost <= limit then
      local leaves = call('ZRANGEBYSCORE', key, total + cost - limit, 'inf', 'LIMIT', '0', '1')[1]
      wait = (tonumber(leaves) or clock) + window - clock
    end
    retry = math.max(retry, wait)
    -- Before all that have room, in the order of their waits.
    rank = -wait
  end
  if rank < least then least, which = rank, n end
end

local used = total - bases[which] + (units > 0 and cost - units or 0)
local window = ARGV[2 * which + 3] + 0
local reset = (oldests[which] or stamp > 0 and stamp or clock) + window - clock
return { allowed and 1 or 0, retry == math.huge and -1 or retry, stamp, used, reset, which - 1 }
`);
