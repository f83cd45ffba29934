-- Stands behind prelude.lua in every script that changes something: how a change is written.
-- KEYS      as in prelude.lua
-- ARGV      as in prelude.lua
-- Reply     none of its own
-- Guarantee A transition writes only after all its checks, and its first write is the log entry: an error before or
--           at it leaves everything as it was. What the calls of a group change is collected and written key by key,
--           in any case before it is read or anything else is written: the writes cost more than all the rest.

local LOG_LENGTH = ARGV[4]
local PIECE = 4000 -- Arguments of one command: they fit Lua's stack, and no value is parted from its field.

-- The version of the last change, once it was read; and what is not written yet: for each key the arguments of its
-- command, and the seats, reservations and customers that they are about.
local version
local changed, unwritten = false, {}
local values, bits, records, requests, deadlines, customers = {}, {}, {}, {}, {}, {}

-- A whole number as text; a float's format costs several times as much.
local function digits(number)
    return string.format('%d', number)
end

local function collect(list, field, value)
    local count = #list
    list[count + 1] = field
    list[count + 2] = value
end

local function write_list(command, key, list)
    for first = 1, #list, PIECE do
        redis.call(command, key, unpack(list, first, math.min(first + PIECE - 1, #list)))
    end
end

local function write_collected()
    if changed then collect(values, 'v', digits(version)) end
    write_list('HSET', SEATS, values)
    write_list('BITFIELD', MAP, bits)
    write_list('HSET', RESERVATIONS, records)
    write_list('HSET', REQUESTS, requests)
    write_list('ZADD', EXPIRY, deadlines)
    write_list('HSET', CUSTOMERS, customers)
    changed, unwritten = false, {}
    values, bits, records, requests, deadlines, customers = {}, {}, {}, {}, {}, {}
end

-- Gives the change its place in the log. The first write of every change.
local function append_log(seats, state, deadline)
    local place, list = digits(version + 1) .. '-0', table.concat(seats, ',')
    if deadline then
        redis.call('XADD', LOG, 'MAXLEN', '~', LOG_LENGTH, place, 's', state, 'n', list, 'd', deadline)
    else
        redis.call('XADD', LOG, 'MAXLEN', '~', LOG_LENGTH, place, 's', state, 'n', list)
    end
    version, changed = version + 1, true
end

local function read_version()
    version = version or tonumber(redis.call('HGET', SEATS, 'v'))
    return version
end

local function collect_values(seats, value)
    for _, seat in ipairs(seats) do
        unwritten[seat] = true
        collect(values, seat, value)
    end
end

-- A change of seats, to be written with the others of its group: its place in the log, the values, the bits.
local function collect_change(seats, value, state, deadline)
    read_version()
    append_log(seats, state, deadline)
    if value then collect_values(seats, value) end
    for _, seat in ipairs(seats) do
        collect(bits, 'SET', 'u2')
        collect(bits, '#' .. seat, state)
    end
end

-- A reservation's record, and when it comes up next, to be written with the others of its group.
local function collect_record(id, record, due_ms)
    unwritten[id] = true
    collect(records, id, record)
    collect(deadlines, due_ms, id)
end

-- A change of seats, written at once; a nil value is a free seat.
local function change_seats(seats, value, state, deadline)
    write_collected()
    collect_change(seats, value, state, deadline)
    write_collected()
    if value then return end
    for first = 1, #seats, PIECE do
        redis.call('HDEL', SEATS, unpack(seats, first, math.min(first + PIECE - 1, #seats)))
    end
end

-- Stands before a call of a group reads what a call before it may have changed.
local function write_before_reading(name)
    if unwritten[name] then write_collected() end
end

-- Runs a group: calls of `width` arguments each, in their order.
local function run_calls(width, run)
    local replies = { 'EACH' }
    for first = 5, #ARGV, width do
        replies[#replies + 1] = guarded(run, unpack(ARGV, first, first + width - 1))
    end
    write_collected()
    return replies
end
