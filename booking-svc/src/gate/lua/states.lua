-- The status of all seats, and the version that it is of, in one step.
-- KEYS      as in prelude.lua
-- ARGV      ...
-- Reply     STATES <version> <map>; COLD; EPOCH
-- Guarantee The bits are those of the version.

local cold, meta = check_gate('seats')
if cold then return cold end
local version, map = redis.call('HGET', SEATS, 'v'), redis.call('GET', MAP)
if not version then return { 'COLD', 'seats' } end
if not map or #map ~= math.ceil(tonumber(meta[4]) / 4) then return { 'COLD', 'map' } end
return { 'STATES', version, map }
