-- Reserve, behind prelude.lua, refuse.lua, writes.lua and reservations.lua: takes free seats for the hold's time. All
-- seats of a call or none. A group of calls, run in their order.
-- KEYS      as in prelude.lua
-- ARGV      ..., then for each call: request id, customer, seats (ascending, comma-separated), whether to name
--           holders: 1 or 0
-- Reply     EACH, then for each call GRANTED <id> <deadline> <extend limit> <now>; SAME <id> <record> <now>;
--           REUSED <id>; QUARANTINE <ms>; LIMIT <limit> <has>; ERROR | UNWRITABLE <text>; as in refuse.lua
-- Guarantee A seat is granted only while nobody holds, confirms or owns it; a customer never has more seats than the
--           limit; the same request id of the same customer never makes two reservations.

local SWEEP_MOST = 1000 -- Holds ended in one run, for all its calls together.
local swept = false
local NOW, DEADLINE, EXTEND_LIMIT = digits(now), digits(now + tonumber(meta[9])), digits(now + tonumber(meta[10]))

local function seats_of(customer)
    return tonumber(redis.call('HGET', CUSTOMERS, customer)) or 0
end

-- The reply to a customer who would have too many seats. Else nil, and in `call.has` how many the customer has.
local function over_limit(call)
    local limit, wanted = tonumber(meta[8]), #call.seats
    local count = redis.call('HMGET', CUSTOMERS, SENTINEL, call.customer)
    if not count[1] then return { 'COLD', 'customers' } end
    call.has = tonumber(count[2]) or 0
    if call.has + wanted <= limit then return end
    -- Holds past their deadline do not count, even where no sweeper has run.
    if not swept then
        write_collected()
        sweep_due(SWEEP_MOST)
        swept = true
    end
    call.has = seats_of(call.customer)
    if call.has + wanted > limit then return { 'LIMIT', limit, call.has } end
    local _
    _, call.due = look_at(call.seats)
end

-- Ends the holds past their deadline that stand in the way; the customer's own may be among them.
local function end_due(call)
    if #call.due == 0 then return end
    local ending = {}
    for i, id in ipairs(call.due) do
        local text = redis.call('HGET', RESERVATIONS, id)
        if not text then return { 'COLD', 'reservations' } end
        ending[i] = parse_reservation(text)
    end
    for i, id in ipairs(call.due) do expire_if_due(id, ending[i]) end
    call.has = seats_of(call.customer)
end

local function grant(call)
    if call.known then
        local r, lost = find_reservation(call.known, call.customer)
        if r then
            if r.seats ~= call.list then return { 'REUSED', call.known } end
            return describe('SAME', call.known, r)
        end
        if lost[1] == 'COLD' then return lost end
        local refused = refusal(call)
        if refused then return refused end
    end
    local quarantine = tonumber(meta[7])
    if quarantine > now then return { 'QUARANTINE', digits(quarantine - now) } end
    local refused = over_limit(call) or end_due(call)
    if refused then return refused end

    local id = ARGV[1] .. '.' .. digits(read_version() + 1)
    local record = table.concat({ 'H', DEADLINE, EXTEND_LIMIT, call.list, call.request, call.customer }, ' ')
    collect_change(call.seats, 'H ' .. DEADLINE .. ' ' .. id, HELD, DEADLINE)
    collect_record(id, record, DEADLINE)
    collect(requests, call.key, id)
    collect(customers, call.customer, digits(call.has + #call.seats))
    unwritten[call.customer] = true
    return { 'GRANTED', id, DEADLINE, EXTEND_LIMIT, NOW }
end

repeat
    replies[#replies + 1] = reply or guarded(grant, call)
    first = first + WIDTH
    if first <= #ARGV then
        call = read_call(first)
        write_before_reading(call.customer) -- And so the customer's requests.
        for _, seat in ipairs(call.seats) do write_before_reading(seat) end
        reply = guarded(first_look, call)
    end
until first > #ARGV
write_collected()
return replies
