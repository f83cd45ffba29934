-- What is known of a reservation.
-- KEYS      as in prelude.lua
-- ARGV      ..., 5 reservation, 6 customer ('' = everybody's)
-- Reply     FOUND <id> <record> <now>; UNKNOWN; COLD; EPOCH
-- Guarantee A hold past its deadline is answered as expired, and is.

local cold = check_gate()
if cold then return cold end
local r, reply = find_reservation(ARGV[5], ARGV[6])
if not r then return reply end
return describe('FOUND', ARGV[5], r)
