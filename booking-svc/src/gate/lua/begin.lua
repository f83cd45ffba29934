-- Confirm, first half: HELD becomes CONFIRMING; a repeat joins.
-- KEYS      as in prelude.lua
-- ARGV      ..., 5 reservation, 6 customer ('' = everybody's), 7 confirm window ms
-- Reply     FOUND <id> <record> <now>: confirming when the state is C, else what it ended as; UNKNOWN; COLD; EPOCH
-- Guarantee A Confirm begins only before the hold's deadline. From then on only `settle` frees the seats, never time.

local cold = check_gate()
if cold then return cold end
local id = ARGV[5]
local r, reply = find_reservation(id, ARGV[6])
if not r then return reply end
if r.state == 'H' then
    r.state = 'C'
    redis.call('HSET', RESERVATIONS, id, format_reservation(r))
    write_values(seat_list(r.seats), 'C ' .. digits(r.deadline) .. ' ' .. id)
end
if r.state == 'C' then
    -- A caller who repeats still wants it: the sweeper waits another window.
    redis.call('ZADD', EXPIRY, digits(now + tonumber(ARGV[7])), id)
end
return describe('FOUND', id, r)
