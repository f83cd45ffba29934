-- Takes free seats off sale, all or none.
-- KEYS      as in prelude.lua
-- ARGV      ..., 5 seats, 6 at most so many taken ones in the reply
-- Reply     CHANGED <seats>; TAKEN <now> (<seat> <value>)...; QUARANTINE <ms>; COLD; EPOCH
-- Guarantee No held, confirming or sold seat is blocked.

local cold, meta = check_gate('quarantine_until_ms')
if cold then return cold end
if not redis.call('HGET', SEATS, 'v') then return { 'COLD', 'seats' } end
local quarantine = tonumber(meta[4])
if quarantine > now then return { 'QUARANTINE', digits(quarantine - now) } end

local seats, free, due, taken = seat_list(ARGV[5]), {}, {}, { 'TAKEN', digits(now) }
local values = read_seats(seats)
for i, seat in ipairs(seats) do
    local state, deadline, id
    if values[i] then state, deadline, id = parse_seat(values[i]) end
    if state == 'H' and deadline <= now then
        due[#due + 1] = id
        state = nil
    end
    if not state then
        free[#free + 1] = seat
    elseif state ~= 'B' and #taken < 2 + 2 * tonumber(ARGV[6]) then
        taken[#taken + 1] = seat
        taken[#taken + 1] = values[i]
    end
end
if #taken > 2 then return taken end
for _, id in ipairs(due) do find_reservation(id, '') end
if #free > 0 then
    change_seats(free, 'B', BLOCKED)
end
return { 'CHANGED', #free }
