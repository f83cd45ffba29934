-- Reserve, first part: what can be refused without a change.
-- KEYS      as in prelude.lua
-- ARGV      as in grant.lua
-- Reply     CLOSED <opens in ms, or -1>;
--           TAKEN <now> <version> <closes in ms, or -1> (<seat> <value> <record of its holder, or ''>)...;
--           COLD; EPOCH
-- Guarantee Who has held these seats with this request before is not refused here.

local cold, meta =
    check_gate('open', 'opens_ms', 'closes_ms', 'quarantine_until_ms', 'limit', 'ttl_ms', 'hold_max_ms')
if cold then return cold end
local request, customer, seats = ARGV[5], ARGV[6], seat_list(ARGV[7])

local request_key = request .. ' ' .. customer
local known = redis.call('HMGET', REQUESTS, SENTINEL, request_key)
if not known[1] then return { 'COLD', 'requests' } end

-- Names the taken seats, and for those who remember a refusal also who has them.
local function taken_reply(taken, version, closes)
    local closes_in = closes and string.format('%d', closes - now) or -1
    local reply, ids, records = { 'TAKEN', string.format('%d', now), version, closes_in }, {}, {}
    if ARGV[8] == '1' then
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

local due, version

local function refusal()
    local opens, closes = tonumber(meta[5]), tonumber(meta[6])
    if meta[4] ~= '1' then return { 'CLOSED', -1 } end
    if opens and now < opens then return { 'CLOSED', string.format('%d', opens - now) } end
    if closes and now >= closes then return { 'CLOSED', -1 } end

    local taken
    taken, due, version = look_at(seats)
    if not version then return { 'COLD', 'seats' } end
    if #taken > 0 then return taken_reply(taken, version, closes) end
end

if not known[2] then
    local reply = refusal()
    if reply then return reply end
end
