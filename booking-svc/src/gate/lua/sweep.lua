-- Does what is due: see sweep_due in reservations.lua.
-- KEYS      as in prelude.lua
-- ARGV      ..., 5 at most so many, 6 ms until an undecided Confirm comes up again
-- Reply     SWEPT <due> <expired> <ms in which nothing more gets due> (<id> <record>)... of undecided Confirms; COLD; EPOCH
-- Guarantee Every hold past its deadline ends, in the order of the deadlines. A lost key is noticed.

local cold, meta = check_gate('ttl_ms')
if cold then return cold end
local lost = lost_key()
if lost then return lost end

local due, expired, undecided = sweep_due(ARGV[5], tonumber(ARGV[6]))
-- A hold that is made from now on lasts for the hold time.
local first = redis.call('ZRANGE', EXPIRY, 0, 0, 'WITHSCORES')[2]
local quiet = math.max(0, math.min(tonumber(first) - now, tonumber(meta[4])))
return { 'SWEPT', due, expired, digits(quiet), unpack(undecided) }
