-- Whether the gate can be used.
-- KEYS      as in prelude.lua
-- ARGV      ...
-- Reply     ALIVE <ms of quarantine left>; COLD; EPOCH
-- Guarantee Says cold where any of the keys is lost.

local cold, meta = check_gate('quarantine_until_ms')
if cold then return cold end
local lost = lost_key()
if lost then return lost end
return { 'ALIVE', digits(math.max(0, tonumber(meta[4]) - now)) }
