-- Rebuild, first step: stops the old epoch, so that what is read of it next stays true.
-- KEYS      1 meta
-- ARGV      1 the new epoch
-- Reply     FROZEN <old epoch, or 0> <its incarnation> <quarantine until>; SUPERSEDED <by which epoch>
-- Guarantee After it no script changes the old epoch, and only the highest rebuild can publish.

local META = KEYS[1]
local meta = redis.call('HMGET', META, 'epoch', 'incarnation', 'quarantine_until_ms', 'frozen')
local epoch, frozen = tonumber(meta[1] or 0), tonumber(meta[4] or 0)
local highest = math.max(epoch, frozen)
if highest >= tonumber(ARGV[1]) then return { 'SUPERSEDED', string.format('%.0f', highest) } end
redis.call('HSET', META, 'frozen', ARGV[1])
return { 'FROZEN', meta[1] or '0', meta[2] or '', meta[3] or '0' }
