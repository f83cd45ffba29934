-- Writes the vault's outcomes of reservations into the gate. A group of calls, run in their order.
-- KEYS      as in prelude.lua
-- ARGV      ..., then for each call: reservation, outcome (B booked; R released, X expired, L lost; K cancelled),
--           seats, request id, customer
-- Reply     EACH, then for each call SETTLED <seats changed>; ERROR | UNWRITABLE <text>. For all COLD; EPOCH
-- Guarantee Only seats that the reservation still owns change, so a late or repeated settle changes nothing. A voided
--           reservation leaves a tombstone even where it was unknown: its token can not bring it back.

local cold = check_gate()
if cold then return cold end

-- Its seats are sold. How many changed.
local function sell(id, r, is_known)
    local owned = owned_seats(id, seat_list(r.seats), 'HC')
    if #owned > 0 then collect_change(owned, 'S ' .. id, SOLD) end
    unwritten[id] = true
    if is_known then
        r.state = 'B'
        collect_record(id, format_reservation(r), digits(now + TOMBSTONE_MS))
    end
    return #owned
end

return run_calls(5, function(id, outcome, seats, request, customer)
    write_before_reading(id)
    local text = redis.call('HGET', RESERVATIONS, id)
    local r = text and parse_reservation(text)
        or { state = '-', deadline = 0, limit = 0, seats = seats, request = request, customer = customer }
    local live = r.state == 'H' or r.state == 'C' or r.state == '-'
    local seats_changed = 0
    if outcome == 'K' then
        if r.state ~= 'K' then seats_changed = end_reservation(id, r, 'HCS', 'K') end
    elseif live and outcome == 'B' then
        seats_changed = sell(id, r, text)
    elseif live then
        seats_changed = end_reservation(id, r, 'HC', outcome)
    end
    return { 'SETTLED', seats_changed }
end)
