-- Stands behind prelude.lua in every script that changes something, or finds a reservation (which may have to end).
-- KEYS      as in prelude.lua
-- ARGV      as in prelude.lua
-- Reply     none of its own
-- Guarantee A transition writes only after all its checks, and its first write is the log entry: an error before or
--           at it leaves everything as it was.

local TOMBSTONE_MS, LOG_LENGTH = tonumber(ARGV[3]), ARGV[4]

-- A whole number as text; a float's format costs several times as much.
local function digits(number)
    return string.format('%d', number)
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
    return string.format('%s %d %d %s %s %s', r.state, r.deadline, r.limit, r.seats, r.request, r.customer)
end

-- Gives the change its place in the log. The first write of every change.
local function append_log(version, state, seats, deadline)
    local place, list = digits(version) .. '-0', table.concat(seats, ',')
    if deadline then
        redis.call('XADD', LOG, 'MAXLEN', '~', LOG_LENGTH, place, 's', state, 'n', list, 'd', deadline)
    else
        redis.call('XADD', LOG, 'MAXLEN', '~', LOG_LENGTH, place, 's', state, 'n', list)
    end
end

-- Writes the seats' values, and with them the version of a change; a nil value is a free seat.
local function write_values(seats, value, version)
    for first = 1, #seats, CHUNK do
        local last = math.min(first + CHUNK - 1, #seats)
        if value then
            local fields = version and { 'v', version } or {}
            for i = first, last do
                fields[#fields + 1] = seats[i]
                fields[#fields + 1] = value
            end
            redis.call('HSET', SEATS, unpack(fields))
        else
            redis.call('HSET', SEATS, 'v', version)
            redis.call('HDEL', SEATS, unpack(seats, first, last))
        end
    end
end

-- Writes the bits of the seats.
local function write_bits(seats, state)
    for first = 1, #seats, CHUNK do
        local last = math.min(first + CHUNK - 1, #seats)
        local bits = {}
        for i = first, last do
            bits[#bits + 1] = 'SET'
            bits[#bits + 1] = 'u2'
            bits[#bits + 1] = '#' .. seats[i]
            bits[#bits + 1] = state
        end
        redis.call('BITFIELD', MAP, unpack(bits))
    end
end

-- A change of seats: its place in the log, its version, the values, the bits. A nil value is a free seat.
local function change_seats(version, seats, value, state, deadline)
    append_log(version, state, seats, deadline)
    write_values(seats, value, digits(version))
    write_bits(seats, state)
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
    redis.call('ZADD', EXPIRY, digits(now + TOMBSTONE_MS), id)
end

-- Frees what the reservation still owns in `states`, counts it back to its customer, and buries it as `state`.
local function end_reservation(id, r, states, state)
    local owned = owned_seats(id, seat_list(r.seats), states)
    if #owned > 0 then
        change_seats(current_version() + 1, owned, nil, FREE)
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
    local due = redis.call('ZRANGEBYSCORE', EXPIRY, '-inf', digits(now), 'LIMIT', 0, most)
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
                redis.call('ZADD', EXPIRY, digits(now + again_ms), id)
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
    return { word, id, format_reservation(r), digits(now) }
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
