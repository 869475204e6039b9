/** Takes hits back from the sliding window inside Redis; window.lua.ts says what a key looks like. */
import { defineScript, type Script } from '../core/script.js';

/**
 * What one request took, and nobody else's. The entries after it count on from less; or, where they are many, those before
 * it count from more, which is the same to a difference. In the middle of 10,000 entries that takes some milliseconds.
 */
export const refundScript: Script = defineScript(`
-- KEYS[1]  the client's hits
-- ARGV[1]  mark: the time of the request's entry; 'newest' when nobody knows which it was
-- ARGV[2]  cost: the units the request took
-- ARGV[3]  the longest window, in microseconds
-- returns  the units taken back
local call, key = redis.call, KEYS[1]
local mark = ARGV[1]
if type(redis.pcall('ZCARD', key)) ~= 'number' then return 0 end
if mark == 'newest' then mark = call('ZREVRANGEBYSCORE', key, '(inf', '-inf', 'LIMIT', '0', '1')[1] end
local rank = mark and call('ZRANK', key, mark)
if not rank then return 0 end

local time = call('TIME')
if (tonumber(mark) or 0) <= time[1] * 1000000 + time[2] - ARGV[3] then return 0 end

local before = rank > 0 and tonumber(call('ZRANGE', key, rank - 1, rank - 1, 'WITHSCORES')[2]) or 0
local weight = call('ZSCORE', key, mark) - before
local units = math.min(weight, ARGV[2] + 0)
local isGone = units == weight

-- So many are nothing, and then the running count stays low.
local FEW = 128
local after = call('ZCARD', key) - rank - 1
local from, to, change = rank, -1, -units
if after > FEW and rank < after then
  from, to, change = 0, rank - 1, units
end
local entries = rank == 0 and change > 0 and {} or call('ZRANGE', key, from, to, 'WITHSCORES')

local batch = {}
local function flush()
  if #batch > 0 then call('ZADD', key, unpack(batch)) end
  batch = {}
end
local function count(score, member)
  -- A key that is shut stays shut.
  if score == 'inf' or isGone and member == mark then return end
  batch[#batch + 1] = score + change
  batch[#batch + 1] = member
  if #batch == 2000 then flush() end
end

if isGone then call('ZREM', key, mark) end
-- In the order in which none overtakes another.
if change < 0 then
  for i = 1, #entries, 2 do count(entries[i + 1], entries[i]) end
else
  for i = #entries, 2, -2 do count(entries[i], entries[i - 1]) end
  if entries[1] ~= '0' then count(0, '0') end
end
flush()
return units
`);
