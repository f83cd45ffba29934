-- Confirm, first half: HELD becomes CONFIRMING; a repeat joins. A group of calls, run in their order.
-- KEYS      as in prelude.lua
-- ARGV      ..., then for each call: reservation, customer ('' = everybody's), confirm window ms
-- Reply     EACH, then for each call FOUND <id> <record> <now>: confirming when the state is C, else what it ended as;
--           UNKNOWN; COLD; ERROR | UNWRITABLE <text>. For all COLD; EPOCH
-- Guarantee A Confirm begins only before the hold's deadline. From then on only `settle` frees the seats, never time.

local cold = check_gate()
if cold then return cold end

return run_calls(3, function(id, customer, window)
    write_before_reading(id)
    local r, unknown = find_reservation(id, customer)
    if not r then return unknown end
    if r.state == 'H' then
        r.state = 'C'
        collect_values(seat_list(r.seats), 'C ' .. digits(r.deadline) .. ' ' .. id)
    end
    local reply = describe('FOUND', id, r)
    if r.state == 'C' then
        -- A caller who repeats still wants it: the sweeper waits another window.
        collect_record(id, reply[3], digits(now + tonumber(window)))
    end
    return reply
end)
