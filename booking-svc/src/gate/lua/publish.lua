-- Rebuild, last step: puts the epoch that was built aside in the place of the old one.
-- KEYS      as in prelude.lua, of the new epoch; 9.. the old epoch's, to be dropped
-- ARGV      1 the new epoch, 2 ms of quarantine from now, 3 quarantine until at least, then field, value, ... of meta
-- Reply     PUBLISHED; SUPERSEDED <by which epoch>; INCOMPLETE <which key>
-- Guarantee "Set if higher": only the rebuild that froze last publishes, once, and only what it has built whole.

local META, SEATS, MAP, RESERVATIONS, REQUESTS, EXPIRY, CUSTOMERS = unpack(KEYS, 1, 7)
local meta = redis.call('HMGET', META, 'epoch', 'frozen')
if meta[2] ~= ARGV[1] then return { 'SUPERSEDED', meta[2] or meta[1] or '0' } end

if redis.call('HEXISTS', SEATS, 'v') == 0 then return { 'INCOMPLETE', SEATS } end
if redis.call('EXISTS', MAP) == 0 then return { 'INCOMPLETE', MAP } end
for _, key in ipairs({ RESERVATIONS, REQUESTS, CUSTOMERS }) do
    if redis.call('HEXISTS', key, '') == 0 then return { 'INCOMPLETE', key } end
end
if not redis.call('ZSCORE', EXPIRY, '') then return { 'INCOMPLETE', EXPIRY } end

for i = 2, 7 do redis.call('PERSIST', KEYS[i]) end
local time = redis.call('TIME')
local until_ms = math.max(tonumber(ARGV[3]), time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[2]))
redis.call('DEL', META)
redis.call('HSET', META, 'epoch', ARGV[1], 'quarantine_until_ms', string.format('%.0f', until_ms), unpack(ARGV, 4))
if #KEYS > 8 then redis.call('UNLINK', unpack(KEYS, 9)) end
return { 'PUBLISHED' }
