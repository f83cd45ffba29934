-- Takes a hold back from its token, after the gate lost it.
-- KEYS      as in prelude.lua
-- ARGV      ..., 5 reservation, 6 customer, 7 seats, 8 request id, 9 deadline ms, 10 extend limit ms
-- Reply     FOUND <id> <record> <now> (known already, or adopted); ENDED; TAKEN <now> (<seat> <value>)...; COLD; EPOCH
-- Guarantee A hold comes back whole, once, before its deadline, and never over somebody else's. The caller has
--           asked the vault under this epoch: it had not decided it.

local cold = check_gate()
if cold then return cold end
local id = ARGV[5]
local known, reply = find_reservation(id, ARGV[6])
if not known and reply[1] == 'COLD' then return reply end
-- A hold that survived a loss may have lost an extension with it: then it ends too early, and its token says so.
local earlier = string.match(id, '^%d+') ~= ARGV[1]
if known and earlier and (known.state == 'H' or known.state == 'X') and known.deadline < tonumber(ARGV[9]) then
    end_reservation(id, known, 'H', 'X')
elseif known then
    return describe('FOUND', id, known)
elseif not earlier then
    -- Granted in this epoch, and yet unknown: ended, and forgotten since.
    return { 'ENDED' }
end

local r = {
    state = 'H', deadline = tonumber(ARGV[9]), limit = tonumber(ARGV[10]),
    seats = ARGV[7], request = ARGV[8], customer = ARGV[6],
}
if r.deadline <= now then return { 'ENDED' } end

local seats = seat_list(r.seats)
local taken, due = look_at(seats)
if #taken > 0 then return { 'TAKEN', digits(now), unpack(taken) } end
for _, other in ipairs(due) do find_reservation(other, '') end

local deadline = digits(r.deadline)
change_seats(seats, 'H ' .. deadline .. ' ' .. id, HELD, deadline)
redis.call('HSET', RESERVATIONS, id, format_reservation(r))
redis.call('HSETNX', REQUESTS, r.request .. ' ' .. r.customer, id)
redis.call('ZADD', EXPIRY, deadline, id)
redis.call('HINCRBY', CUSTOMERS, r.customer, #seats)
return describe('FOUND', id, r)
