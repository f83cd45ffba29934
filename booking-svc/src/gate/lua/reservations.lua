-- Stands behind writes.lua in every script that finds a reservation (which may have to end) or ends one.
-- KEYS      as in prelude.lua
-- ARGV      as in prelude.lua
-- Reply     none of its own
-- Guarantee A hold past its deadline is over for whoever finds it.

local TOMBSTONE_MS = tonumber(ARGV[3])

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
        change_seats(owned, nil, FREE)
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
