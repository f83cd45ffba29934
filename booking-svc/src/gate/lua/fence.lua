-- Redlock, behind votes.lua: a takeover's first step. The node votes for no older epoch any more, and tells what it
-- voted for; a gate that it carried stands still.
-- KEYS      as in votes.lua; 3 meta of the gate
-- ARGV      ..., 4 ms for which a hold can last, 5 the node's own name, 6 1 where the event never had an epoch, else 0
-- Reply     FENCED <now> <1 where it counts, else 0> <the gate's epoch, or 0> <its incarnation> <its quarantine in ms>
--           (<id> <ms left> <epoch of the vote> <record>)... of live locks; SUPERSEDED <by which epoch>
-- Guarantee After it neither the gate nor the locks of an older epoch change, but that locks end. A node that has lost
--           anything does not count.

local META = KEYS[3]
local meta = redis.call('HMGET', META, 'epoch', 'frozen', 'incarnation', 'quarantine_until_ms')
local highest = math.max(fence, tonumber(meta[1]) or 0, tonumber(meta[2]) or 0)
if highest >= tonumber(EPOCH) then return { 'SUPERSEDED', digits(highest) } end

-- The node that carried the gate has to have it yet.
local gate_lost = vote[2] == ARGV[5] and not meta[1] and not meta[2]
local whole = ARGV[6] == '1' or (is_whole() and not gate_lost)
local counts = promise(whole, tonumber(ARGV[4]))
-- Where nothing was carried this is what `publish` asks for. It also stops a takeover that froze the gate and has not published.
if meta[1] or meta[2] or ARGV[5] == CARRIER then redis.call('HSET', META, 'frozen', EPOCH) end

local quarantine = math.max(0, (tonumber(meta[4]) or 0) - now)
local reply = { 'FENCED', digits(now), counts, meta[1] or '0', meta[3] or '', digits(quarantine) }
local fields = redis.call('HGETALL', LOCKS)
for i = 1, #fields, 2 do
    if string.find(fields[i], '.', 1, true) then
        local expires, epoch, record = split_vote(fields[i + 1])
        if expires > now then
            reply[#reply + 1] = fields[i]
            reply[#reply + 1] = digits(expires - now)
            reply[#reply + 1] = epoch
            reply[#reply + 1] = record
        end
    end
end
return reply
