-- Redlock, behind votes.lua: the node votes for a hold. All its seats or none.
-- KEYS      as in votes.lua
-- ARGV      ..., 4 reservation, 5 when the lock ends by this node's clock, 6 seats, 7 the hold's record
-- Reply     LOCKED <now> <1 where the vote counts, else 0>; TAKEN <now> <ms left> <by whom>; FENCED <now> <epoch>
--           <carrier>; STRANGER <now>: the node has to be enrolled first; LATE <now>
-- Guarantee A seat is locked only while no other hold's lock of it lasts, and never for an epoch that was fenced. A lock of
--           the same hold is never shortened. A call that comes late locks for no longer than it was to.

local SLACK_MS = 10000 -- The key lasts so much longer than its longest lock: it is not told anew by every lock.

local id, expires, list, record = ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7]
local NOW = digits(now)
if fence > tonumber(EPOCH) then return { 'FENCED', NOW, digits(fence), vote[2] } end
if not is_whole() then return { 'STRANGER', NOW } end
-- A node that was out of reach when the epoch began hears of it here, whatever it says to the lock.
if fence < tonumber(EPOCH) then promise(true) end
if expires <= now then return { 'LATE', NOW } end

local seats = {}
for seat in string.gmatch(list, '%d+') do seats[#seats + 1] = seat end
local stale = {}
for _, value in ipairs(redis.call('HMGET', LOCKS, unpack(seats))) do
    if value then
        local until_then, owner = split(value)
        if owner == id then
            -- An extension that was faster stays.
            if until_then > expires then expires, record = until_then, nil end
        elseif until_then > now then
            return { 'TAKEN', NOW, digits(until_then - now), owner }
        else
            stale[#stale + 1] = owner
        end
    end
end

if not record then
    local _
    _, _, record = split_vote(redis.call('HGET', LOCKS, id) or digits(expires) .. ' 0 ' .. ARGV[7])
end
if #stale > 0 then redis.call('HDEL', LOCKS, unpack(stale)) end
local fields = { SENTINEL, '1', id, digits(expires) .. ' ' .. EPOCH .. ' ' .. record }
for _, seat in ipairs(seats) do
    fields[#fields + 1] = seat
    fields[#fields + 1] = digits(expires) .. ' ' .. id
end
redis.call('HSET', LOCKS, unpack(fields))
if expires > until_ms then
    redis.call('PEXPIRE', LOCKS, digits(expires + 2 * SLACK_MS - now))
    redis.call('HSET', VOTE, 'until_ms', digits(expires + SLACK_MS))
end
return { 'LOCKED', NOW, counts_ms <= now and 1 or 0 }
