-- Writes the vault's outcome of a reservation into the gate.
-- KEYS      as in prelude.lua
-- ARGV      ..., 5 reservation, 6 outcome (B booked; R released, X expired, L lost; K cancelled),
--           7 seats, 8 request id, 9 customer
-- Reply     SETTLED <seats changed>; COLD; EPOCH
-- Guarantee Only seats that the reservation still owns change, so a late or repeated settle changes nothing. A voided
--           reservation leaves a tombstone even where it was unknown: its token can not bring it back.

local cold = check_gate()
if cold then return cold end
local id, outcome = ARGV[5], ARGV[6]
local text = redis.call('HGET', RESERVATIONS, id)
local r = text and parse_reservation(text)
    or { state = '-', deadline = 0, limit = 0, seats = ARGV[7], request = ARGV[8], customer = ARGV[9] }

local live = r.state == 'H' or r.state == 'C' or r.state == '-'
if outcome == 'B' then
    if not live then return { 'SETTLED', 0 } end
    local owned = owned_seats(id, seat_list(r.seats), 'HC')
    if #owned > 0 then
        change_seats(current_version() + 1, owned, 'S ' .. id, SOLD)
    end
    if text then bury(id, r, 'B') end
    return { 'SETTLED', #owned }
elseif outcome == 'K' then
    if r.state == 'K' then return { 'SETTLED', 0 } end
    return { 'SETTLED', end_reservation(id, r, 'HCS', 'K') }
end
if not live then return { 'SETTLED', 0 } end
return { 'SETTLED', end_reservation(id, r, 'HC', outcome) }
