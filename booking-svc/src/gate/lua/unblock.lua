-- Puts blocked seats back on sale.
-- KEYS      as in prelude.lua
-- ARGV      ..., 5 seats
-- Reply     CHANGED <seats>; COLD; EPOCH
-- Guarantee Only blocked seats change.

local cold = check_gate()
if cold then return cold end
if not redis.call('HGET', SEATS, 'v') then return { 'COLD', 'seats' } end
local blocked = {}
local seats = seat_list(ARGV[5])
local values = read_seats(seats)
for i, seat in ipairs(seats) do
    if values[i] == 'B' then blocked[#blocked + 1] = seat end
end
if #blocked > 0 then
    change_seats(blocked, nil, FREE)
end
return { 'CHANGED', #blocked }
