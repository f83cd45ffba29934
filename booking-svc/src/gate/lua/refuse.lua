-- Reserve, first part: what can be refused without a change.
-- KEYS      as in prelude.lua
-- ARGV      as in grant.lua
-- Reply     for each call CLOSED <opens in ms, or -1>;
--           TAKEN <now> <version> <closes in ms, or -1> (<seat> <value> <record of its holder, or ''>)...;
--           COLD; EPOCH
-- Guarantee Who has held these seats with this request before is not refused here.

local cold, meta =
    check_gate('open', 'opens_ms', 'closes_ms', 'quarantine_until_ms', 'limit', 'ttl_ms', 'hold_max_ms')
if cold then return cold end
local WIDTH = 4

local function read_call(first)
    local request, customer, list, name_holders = unpack(ARGV, first, first + WIDTH - 1)
    return {
        request = request, customer = customer, key = request .. ' ' .. customer,
        list = list, seats = seat_list(list), name_holders = name_holders == '1',
    }
end

-- Names the taken seats, and for those who remember a refusal also who has them.
local function taken_reply(call, taken, version, closes)
    local closes_in = closes and string.format('%d', closes - now) or -1
    local reply, ids, records = { 'TAKEN', string.format('%d', now), version, closes_in }, {}, {}
    if call.name_holders then
        for i = 2, #taken, 2 do
            local _, _, id = parse_seat(taken[i])
            ids[#ids + 1] = id ~= SENTINEL and id or '-' -- A blocked seat has no holder; '-' is no id.
        end
        records = redis.call('HMGET', RESERVATIONS, SENTINEL, unpack(ids))
        if not records[1] then return { 'COLD', 'reservations' } end
    end
    for i = 1, #taken, 2 do
        reply[#reply + 1] = taken[i]
        reply[#reply + 1] = taken[i + 1]
        reply[#reply + 1] = records[(i + 3) / 2] or ''
    end
    return reply
end

-- The reply to a call for seats that are not on sale or not free. Else nil, and in `call.due` what stands in the way.
local function refusal(call)
    local opens, closes = tonumber(meta[5]), tonumber(meta[6])
    if meta[4] ~= '1' then return { 'CLOSED', -1 } end
    if opens and now < opens then return { 'CLOSED', string.format('%d', opens - now) } end
    if closes and now >= closes then return { 'CLOSED', -1 } end

    local taken, due, version = look_at(call.seats)
    if not version then return { 'COLD', 'seats' } end
    if #taken > 0 then return taken_reply(call, taken, version, closes) end
    call.due = due
end

-- As `refusal`, but a call that was made before is not refused: what it made is in `call.known`.
local function first_look(call)
    local known = redis.call('HMGET', REQUESTS, SENTINEL, call.key)
    if not known[1] then return { 'COLD', 'requests' } end
    call.known = known[2]
    if not call.known then return refusal(call) end
end

local first, replies = 5, { 'EACH' }
local call, reply
repeat
    call = read_call(first)
    reply = guarded(first_look, call)
    if reply then
        replies[#replies + 1] = reply
        first = first + WIDTH
        if first > #ARGV then return replies end
    end
until not reply
