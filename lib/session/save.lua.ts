/** Stores a session, unless it was destroyed, or what it shall replace is gone or has changed. */
import { defineScript, type Script } from '../core/script.js';

export const SAVED = 1;
export const GONE = 0;

/** Reply: `{ 1 }` saved, `{ 0 }` gone, `{ 2, bytes }` changed into these bytes; nothing is written but for 1. */
export const saveScript: Script = defineScript(`
-- KEYS[1]  the session
-- KEYS[2]  its tombstone
-- ARGV[1]  its new bytes
-- ARGV[2]  time to live in ms; 0: none
-- ARGV[3]  SHA-1 of the bytes that are replaced; empty: whatever is there; 'nothing': only where there is nothing
if redis.call('EXISTS', KEYS[2]) == 1 then
  -- In case a process brought it back that does not look.
  redis.pcall('UNLINK', KEYS[1])
  return { 0 }
end
if ARGV[3] ~= '' then
  local current = redis.pcall('GET', KEYS[1])
  if type(current) == 'table' then
    if string.find(current.err, 'WRONGTYPE', 1, true) then return { 0 } end
    return current
  end
  if not current and ARGV[3] ~= 'nothing' then return { 0 } end
  if current and redis.sha1hex(current) ~= ARGV[3] then return { 2, current } end
end
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return { 1 }
`);
