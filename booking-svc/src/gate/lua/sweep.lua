-- Does what is due: see sweep_due in prelude.lua.
-- KEYS      as in prelude.lua
-- ARGV      ..., 5 at most so many, 6 ms until an undecided Confirm comes up again
-- Reply     SWEPT <due> <expired> (<id> <record>)... of undecided Confirms; COLD; EPOCH
-- Guarantee Every hold past its deadline ends, in the order of the deadlines. A lost key is noticed.

local cold = check_gate()
if cold then return cold end
local lost = lost_key()
if lost then return lost end

local due, expired, undecided = sweep_due(ARGV[5], tonumber(ARGV[6]))
return { 'SWEPT', due, expired, unpack(undecided) }
