-- Brings the rules of the sale up to a revision of the vault.
-- KEYS      as in prelude.lua
-- ARGV      ..., 5 revision, then field, value, ...
-- Reply     CONFIGURED <revision of the gate>; COLD; EPOCH
-- Guarantee Never goes back to an older revision.

local cold, meta = check_gate('revision')
if cold then return cold end
if tonumber(ARGV[5]) <= tonumber(meta[4]) then return { 'CONFIGURED', meta[4] } end
redis.call('HSET', META, 'revision', ARGV[5], unpack(ARGV, 6))
-- Holds that were made under longer rules live on.
local times = redis.call('HMGET', META, 'ttl_ms', 'longest_ms')
if tonumber(times[1]) > (tonumber(times[2]) or 0) then redis.call('HSET', META, 'longest_ms', times[1]) end
return { 'CONFIGURED', ARGV[5] }
