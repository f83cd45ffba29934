-- Redlock: takes the node's vote for a hold back, for the hold is over.
-- KEYS      1 locks, as in votes.lua
-- ARGV      1 reservation, 2 its seats
-- Reply     UNLOCKED <seats>
-- Guarantee Only locks of this very hold go away. The caller knows from the vault that it is over for ever.

local LOCKS = KEYS[1]
local id, gone = ARGV[1], { ARGV[1] }
for seat in string.gmatch(ARGV[2], '%d+') do
    local value = redis.call('HGET', LOCKS, seat)
    if value and string.match(value, '^%d+ (.*)$') == id then gone[#gone + 1] = seat end
end
redis.call('HDEL', LOCKS, unpack(gone))
return { 'UNLOCKED', #gone - 1 }
