-- Reserve, behind prelude.lua, refuse.lua and changes.lua: takes free seats for the hold's time. All seats or none.
-- KEYS      as in prelude.lua
-- ARGV      ..., 5 request id, 6 customer, 7 seats (ascending, comma-separated), 8 whether to name holders: 1 or 0
-- Reply     GRANTED | SAME <id> <record> <now>; REUSED <id>; QUARANTINE <ms>; LIMIT <limit> <has>; as in refuse.lua
-- Guarantee A seat is granted only while nobody holds, confirms or owns it; a customer never has more seats than the
--           limit; the same request id of the same customer never makes two reservations.

local SWEEP_MOST = 1000

if known[2] then
    local r, reply = find_reservation(known[2], customer)
    if r then
        if r.seats ~= ARGV[7] then return { 'REUSED', known[2] } end
        return describe('SAME', known[2], r)
    end
    if reply[1] == 'COLD' then return reply end
    reply = refusal()
    if reply then return reply end
end

local quarantine = tonumber(meta[7])
if quarantine > now then return { 'QUARANTINE', digits(quarantine - now) } end

local limit = tonumber(meta[8])
local count = redis.call('HMGET', CUSTOMERS, SENTINEL, customer)
if not count[1] then return { 'COLD', 'customers' } end
if (tonumber(count[2]) or 0) + #seats > limit then
    -- Holds past their deadline do not count, even where no sweeper has run.
    sweep_due(SWEEP_MOST)
    local has = tonumber(redis.call('HGET', CUSTOMERS, customer)) or 0
    if has + #seats > limit then return { 'LIMIT', limit, has } end
    local _
    _, due, version = look_at(seats)
end

if #due > 0 then
    local ending = {}
    for i, id in ipairs(due) do
        local text = redis.call('HGET', RESERVATIONS, id)
        if not text then return { 'COLD', 'reservations' } end
        ending[i] = parse_reservation(text)
    end
    for i, id in ipairs(due) do expire_if_due(id, ending[i]) end
    version = current_version()
end

version = version + 1
local id = ARGV[1] .. '.' .. digits(version)
local deadline = digits(now + tonumber(meta[9]))
local record = table.concat(
    { 'H', deadline, digits(now + tonumber(meta[10])), ARGV[7], request, customer }, ' ')
change_seats(version, seats, 'H ' .. deadline .. ' ' .. id, HELD, deadline)
redis.call('HSET', RESERVATIONS, id, record)
redis.call('HSET', REQUESTS, request_key, id)
redis.call('ZADD', EXPIRY, deadline, id)
redis.call('HINCRBY', CUSTOMERS, customer, #seats)
return { 'GRANTED', id, record, digits(now) }
