-- Stands before every script of an event's gate: what each of them reads first.
-- KEYS      meta, seats, map, reservations, requests, expiry, customers, log (see gate/keys.rs)
-- ARGV      epoch, incarnation, tombstone ms, log length, then the script's own
-- Reply     a list whose first item is a word; here COLD <why>, EPOCH <the gate's>
-- Guarantee Nothing is written here. A run makes its functions anew: what only changes need stands in writes.lua and
--           reservations.lua.

local META, SEATS, MAP, RESERVATIONS, REQUESTS, EXPIRY, CUSTOMERS, LOG = unpack(KEYS)
local FREE, HELD, SOLD, BLOCKED = 0, 1, 2, 3
local SENTINEL = '' -- In every key; no customer, request or reservation can be called so.
local CHUNK = 1000

-- Redis's own clock: the one clock of all holds.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The gate is cold unless it is of the caller's epoch, and Redis is the one that the epoch was published on.
local function check_gate(...)
    local meta = redis.call('HMGET', META, 'epoch', 'incarnation', 'frozen', ...)
    if not meta[1] then return { 'COLD', 'meta' } end
    if meta[2] ~= ARGV[2] then return { 'COLD', 'incarnation' } end
    if meta[3] then return { 'COLD', 'frozen' } end
    if meta[1] ~= ARGV[1] then return { 'EPOCH', meta[1] } end
    return nil, meta
end

-- "H <deadline> <id>" held, "C <deadline> <id>" confirming, "S <id>" sold, "B" blocked.
local function parse_seat(value)
    local state, deadline, id = string.match(value, '^([HC]) (%d+) (.+)$')
    if state then return state, tonumber(deadline), id end
    return string.sub(value, 1, 1), nil, string.sub(value, 3)
end

local function seat_list(text)
    local seats = {}
    for seat in string.gmatch(text, '%d+') do seats[#seats + 1] = seat end
    return seats
end

-- The values of the seats and the version that they are of, which is false where the key is lost. In pieces that fit
-- Lua's stack.
local function read_seats(seats)
    local values, version = {}, nil
    for first = 1, #seats, CHUNK do
        local last = math.min(first + CHUNK - 1, #seats)
        local piece = redis.call('HMGET', SEATS, 'v', unpack(seats, first, last))
        version = piece[1]
        for i = 2, last - first + 2 do values[first + i - 2] = piece[i] end
    end
    return values, version
end

-- Which of the seats are taken (seat, value, ...), which reservations past their deadline stand in the way, and the
-- version of that.
local function look_at(seats)
    local taken, due, seen = {}, {}, {}
    local values, version = read_seats(seats)
    for i, seat in ipairs(seats) do
        if values[i] then
            local state, deadline, id = parse_seat(values[i])
            if state == 'H' and deadline <= now then
                if not seen[id] then due[#due + 1] = id end
                seen[id] = true
            else
                taken[#taken + 1] = seat
                taken[#taken + 1] = values[i]
            end
        end
    end
    return taken, due, version
end

-- With these Redis refuses the first write of a run, whatever it is.
local REFUSES_WRITES = { OOM = true, MISCONF = true, NOREPLICAS = true }

-- Runs a call of a group. Its error is its own, and the others run all the same; but a replica can serve none of them.
local function guarded(run, ...)
    local fine, reply = pcall(run, ...)
    if fine then return reply end
    local text = type(reply) == 'table' and reply.err or reply
    local code = string.match(text, '^%u+')
    if code == 'READONLY' then error(reply) end
    return { REFUSES_WRITES[code] and 'UNWRITABLE' or 'ERROR', text }
end
