-- Does what is due: see sweep_due in prelude.lua.
-- KEYS      as in prelude.lua
-- ARGV      ..., 5 at most so many, 6 ms until an undecided Confirm comes up again
-- Reply     SWEPT <due> <expired> (<id> <record>)... of undecided Confirms; COLD; EPOCH
-- Guarantee Every hold past its deadline ends, in the order of the deadlines. A lost key is noticed.

local cold = check_gate()
if cold then return cold end
if redis.call('HEXISTS', SEATS, 'v') == 0 then return { 'COLD', 'seats' } end
if redis.call('EXISTS', MAP) == 0 then return { 'COLD', 'map' } end
if redis.call('HEXISTS', RESERVATIONS, SENTINEL) == 0 then return { 'COLD', 'reservations' } end
if redis.call('HEXISTS', REQUESTS, SENTINEL) == 0 then return { 'COLD', 'requests' } end
if redis.call('HEXISTS', CUSTOMERS, SENTINEL) == 0 then return { 'COLD', 'customers' } end
if not redis.call('ZSCORE', EXPIRY, SENTINEL) then return { 'COLD', 'expiry' } end

local due, expired, undecided = sweep_due(ARGV[5], tonumber(ARGV[6]))
return { 'SWEPT', due, expired, unpack(undecided) }
