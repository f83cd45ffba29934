-- Stands before every script of an event's gate.
-- KEYS      meta, seats, map, reservations, requests, expiry, customers, log (see gate/keys.rs)
-- ARGV      epoch, incarnation, tombstone ms, log length, then the script's own
-- Reply     a list whose first item is a word; here COLD <why>, EPOCH <the gate's>
-- Guarantee A transition writes only after all its checks, and its first write is the log entry: an error before or
--           at it leaves everything as it was.

local META, SEATS, MAP, RESERVATIONS, REQUESTS, EXPIRY, CUSTOMERS, LOG = unpack(KEYS)
local TOMBSTONE_MS, LOG_LENGTH = tonumber(ARGV[3]), ARGV[4]
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

-- The first key that is lost, should one be: noeviction keeps Redis from dropping any, but people have hands.
local function lost_key()
    if redis.call('HEXISTS', SEATS, 'v') == 0 then return { 'COLD', 'seats' } end
    if redis.call('EXISTS', MAP) == 0 then return { 'COLD', 'map' } end
    if redis.call('HEXISTS', RESERVATIONS, SENTINEL) == 0 then return { 'COLD', 'reservations' } end
    if redis.call('HEXISTS', REQUESTS, SENTINEL) == 0 then return { 'COLD', 'requests' } end
    if redis.call('HEXISTS', CUSTOMERS, SENTINEL) == 0 then return { 'COLD', 'customers' } end
    if not redis.call('ZSCORE', EXPIRY, SENTINEL) then return { 'COLD', 'expiry' } end
end

-- "H <deadline> <id>" held, "C <deadline> <id>" confirming, "S <id>" sold, "B" blocked.
local function parse_seat(value)
    local state, deadline, id = string.match(value, '^([HC]) (%d+) (.+)$')
    if state then return state, tonumber(deadline), id end
    return string.sub(value, 1, 1), nil, string.sub(value, 3)
end

-- "<state> <deadline> <extend limit> <seats> <request> <customer>"; the customer stands last: it may hold spaces.
local function parse_reservation(text)
    local state, deadline, limit, seats, request, customer =
        string.match(text, '^(%u) (%d+) (%d+) ([%d,]+) (%S+) (.+)$')
    return {
        state = state, deadline = tonumber(deadline), limit = tonumber(limit),
        seats = seats, request = request, customer = customer,
    }
end

local function format_reservation(r)
    return string.format('%s %.0f %.0f %s %s %s', r.state, r.deadline, r.limit, r.seats, r.request, r.customer)
end

local function seat_list(text)
    local seats = {}
    for seat in string.gmatch(text, '%d+') do seats[#seats + 1] = seat end
    return seats
end

-- HMGET in pieces that fit Lua's stack.
local function read_seats(seats)
    local values = {}
    for first = 1, #seats, CHUNK do
        local last = math.min(first + CHUNK - 1, #seats)
        local piece = redis.call('HMGET', SEATS, unpack(seats, first, last))
        for i, value in ipairs(piece) do values[first + i - 1] = value end
    end
    return values
end

-- Which of the seats are taken (as a reply), and which reservations past their deadline stand in the way.
local function look_at(seats)
    local taken, due, seen = { 'TAKEN', string.format('%.0f', now) }, {}, {}
    local values = read_seats(seats)
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
    return taken, due
end

-- Gives the change its version and its place in the log. The first write of every change.
local function append_log(version, state, seats, deadline)
    local entry = { 's', state, 'n', table.concat(seats, ',') }
    if deadline then
        entry[5], entry[6] = 'd', string.format('%.0f', deadline)
    end
    redis.call('XADD', LOG, 'MAXLEN', '~', LOG_LENGTH, string.format('%.0f-0', version), unpack(entry))
    redis.call('HSET', SEATS, 'v', string.format('%.0f', version))
end

-- Writes the seats and their bits. A nil value is a free seat.
local function write_seats(seats, value, state)
    for first = 1, #seats, CHUNK do
        local last = math.min(first + CHUNK - 1, #seats)
        local fields, bits = {}, {}
        for i = first, last do
            if value then
                fields[#fields + 1] = seats[i]
                fields[#fields + 1] = value
            end
            bits[#bits + 1] = 'SET'
            bits[#bits + 1] = 'u2'
            bits[#bits + 1] = '#' .. seats[i]
            bits[#bits + 1] = state
        end
        if value then
            redis.call('HSET', SEATS, unpack(fields))
        else
            redis.call('HDEL', SEATS, unpack(seats, first, last))
        end
        redis.call('BITFIELD', MAP, unpack(bits))
    end
end

local function current_version()
    return tonumber(redis.call('HGET', SEATS, 'v'))
end

-- The seats of `seats` that reservation `id` still owns in one of the `states`.
local function owned_seats(id, seats, states)
    local owned = {}
    local values = read_seats(seats)
    for i, seat in ipairs(seats) do
        if values[i] then
            local state, _, owner = parse_seat(values[i])
            if owner == id and string.find(states, state, 1, true) then owned[#owned + 1] = seat end
        end
    end
    return owned
end

-- Remembers an ended reservation for a while, so that a late repeat hears what became of it.
local function bury(id, r, state)
    r.state = state
    redis.call('HSET', RESERVATIONS, id, format_reservation(r))
    redis.call('ZADD', EXPIRY, string.format('%.0f', now + TOMBSTONE_MS), id)
end

-- Frees what the reservation still owns in `states`, counts it back to its customer, and buries it as `state`.
local function end_reservation(id, r, states, state)
    local owned = owned_seats(id, seat_list(r.seats), states)
    if #owned > 0 then
        append_log(current_version() + 1, FREE, owned)
        write_seats(owned, nil, FREE)
        if redis.call('HINCRBY', CUSTOMERS, r.customer, -#owned) <= 0 then
            redis.call('HDEL', CUSTOMERS, r.customer)
        end
    end
    bury(id, r, state)
    return #owned
end

-- A hold past its deadline is over, whoever finds it, whatever the clock does next.
local function expire_if_due(id, r)
    if r.state == 'H' and r.deadline <= now then end_reservation(id, r, 'H', 'X') end
end

local function forget(id, r)
    local index = r.request .. ' ' .. r.customer
    if redis.call('HGET', REQUESTS, index) == id then redis.call('HDEL', REQUESTS, index) end
    redis.call('HDEL', RESERVATIONS, id)
    redis.call('ZREM', EXPIRY, id)
end

-- Does what is due: holds past their deadline end, old tombstones are forgotten. With `again_ms`, Confirms past their
-- window are returned (id, record, ...) for the vault to decide, and come up again after it; without, they are left.
local function sweep_due(most, again_ms)
    local undecided, expired = {}, 0
    local due = redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', string.format('%.0f', now), 'LIMIT', 0, most)
    for _, id in ipairs(due) do
        local text = redis.call('HGET', RESERVATIONS, id)
        local r = text and parse_reservation(text)
        if not r then
            redis.call('ZREM', EXPIRY, id)
        elseif r.state == 'H' then
            expire_if_due(id, r)
            expired = expired + 1
        elseif r.state == 'C' then
            if again_ms then
                redis.call('ZADD', EXPIRY, string.format('%.0f', now + again_ms), id)
                undecided[#undecided + 1] = id
                undecided[#undecided + 1] = text
            end
        else
            forget(id, r)
        end
    end
    return #due, expired, undecided
end

-- What a reservation's holder is told of it.
local function describe(word, id, r)
    return { word, id, format_reservation(r), string.format('%.0f', now) }
end

-- The reservation, if it is known and the caller's ('' is everybody's); a hold past its deadline ends here.
-- Else the reply: unknown, or cold where the whole key is lost.
local function find_reservation(id, customer)
    local found = redis.call('HMGET', RESERVATIONS, id, SENTINEL)
    if not found[2] then return nil, { 'COLD', 'reservations' } end
    if not found[1] then return nil, { 'UNKNOWN' } end
    local r = parse_reservation(found[1])
    if customer ~= '' and r.customer ~= customer then return nil, { 'UNKNOWN' } end
    expire_if_due(id, r)
    return r
end
