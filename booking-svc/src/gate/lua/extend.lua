-- Extend: moves the deadline of a hold to one hold time from now, at most to its extend limit.
-- KEYS      as in prelude.lua
-- ARGV      ..., 5 reservation, 6 customer ('' = everybody's)
-- Reply     FOUND <id> <record> <now> (not held: nothing changed); EXTENDED | CAPPED <id> <record> <now>;
--           UNKNOWN; COLD; EPOCH
-- Guarantee Only a hold before its deadline gets longer, never past its extend limit, and never shorter.

local cold, meta = check_gate('ttl_ms')
if cold then return cold end
local id = ARGV[5]
local r, reply = find_reservation(id, ARGV[6])
if not r then return reply end
if r.state ~= 'H' then return describe('FOUND', id, r) end
if r.deadline >= r.limit then return describe('CAPPED', id, r) end

local deadline = math.min(now + tonumber(meta[4]), r.limit)
if deadline > r.deadline then
    r.deadline = deadline
    collect_values(seat_list(r.seats), 'H ' .. digits(deadline) .. ' ' .. id)
    collect_record(id, format_reservation(r), digits(deadline))
    write_collected()
end
return describe('EXTENDED', id, r)
