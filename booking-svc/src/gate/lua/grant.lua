-- Reserve: if a seat is taken, refuse, else take it, for the hold's time. All seats or none.
-- KEYS      as in prelude.lua
-- ARGV      ..., 5 request id, 6 customer, 7 seats (ascending, comma-separated)
-- Reply     GRANTED | SAME <id> <record> <now>; REUSED <id>; CLOSED <opens in ms, or -1>;
--           TAKEN <now> (<seat> <value>)...; QUARANTINE <ms>; LIMIT <limit> <has>; COLD; EPOCH
-- Guarantee A seat is granted only while nobody holds, confirms or owns it; a customer never has more seats than the
--           limit; the same request id of the same customer never makes two reservations.

local SWEEP_MOST = 1000

local cold, meta =
    check_gate('open', 'opens_ms', 'closes_ms', 'quarantine_until_ms', 'limit', 'ttl_ms', 'hold_max_ms')
if cold then return cold end
local request, customer, seats = ARGV[5], ARGV[6], seat_list(ARGV[7])

local known = redis.call('HMGET', REQUESTS, SENTINEL, request .. ' ' .. customer)
if not known[1] then return { 'COLD', 'requests' } end
if known[2] then
    local r = find_reservation(known[2], customer)
    if r then
        if r.seats ~= ARGV[7] then return { 'REUSED', known[2] } end
        return describe('SAME', known[2], r)
    end
end

local opens, closes = tonumber(meta[5]), tonumber(meta[6])
if meta[4] ~= '1' then return { 'CLOSED', -1 } end
if opens and now < opens then return { 'CLOSED', string.format('%.0f', opens - now) } end
if closes and now >= closes then return { 'CLOSED', -1 } end

if redis.call('HEXISTS', SEATS, 'v') == 0 then return { 'COLD', 'seats' } end
local taken, due = look_at(seats)
if #taken > 2 then return taken end

local quarantine = tonumber(meta[7])
if quarantine > now then return { 'QUARANTINE', string.format('%.0f', quarantine - now) } end

local limit = tonumber(meta[8])
local count = redis.call('HMGET', CUSTOMERS, SENTINEL, customer)
if not count[1] then return { 'COLD', 'customers' } end
if (tonumber(count[2]) or 0) + #seats > limit then
    -- Holds past their deadline do not count, even where no sweeper has run.
    sweep_due(SWEEP_MOST)
    local has = tonumber(redis.call('HGET', CUSTOMERS, customer)) or 0
    if has + #seats > limit then return { 'LIMIT', limit, has } end
    taken, due = look_at(seats)
end

local ending = {}
for i, id in ipairs(due) do
    local text = redis.call('HGET', RESERVATIONS, id)
    if not text then return { 'COLD', 'reservations' } end
    ending[i] = parse_reservation(text)
end
for i, id in ipairs(due) do expire_if_due(id, ending[i]) end

local version = current_version() + 1
local id = ARGV[1] .. '.' .. string.format('%.0f', version)
local deadline = now + tonumber(meta[9])
local r = {
    state = 'H', deadline = deadline, limit = now + tonumber(meta[10]),
    seats = ARGV[7], request = request, customer = customer,
}
append_log(version, HELD, seats, deadline)
write_seats(seats, string.format('H %.0f %s', deadline, id), HELD)
redis.call('HSET', RESERVATIONS, id, format_reservation(r))
redis.call('HSET', REQUESTS, request .. ' ' .. customer, id)
redis.call('ZADD', EXPIRY, string.format('%.0f', deadline), id)
redis.call('HINCRBY', CUSTOMERS, customer, #seats)
return describe('GRANTED', id, r)
