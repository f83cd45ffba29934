-- Redlock. Stands before every script that changes a node's votes for an event: what the node knows of itself.
-- KEYS      1 vote: epoch, carrier, incarnation, counts_ms, until_ms; 2 locks: seat -> "<expires> <id>",
--           id -> "<expires> <epoch of the vote> <record>"; see gate/keys.rs
-- ARGV      1 epoch, 2 incarnation, 3 the epoch's carrier, then the script's own
-- Reply     none of its own
-- Guarantee Nothing is written here.

local VOTE, LOCKS = KEYS[1], KEYS[2]
local EPOCH, INCARNATION, CARRIER = ARGV[1], ARGV[2], ARGV[3]
local SENTINEL = '' -- In the locks, for as long as `until_ms` says that they are there.

-- This node's clock: the one clock of its locks.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function digits(number)
    return string.format('%d', number)
end

local vote = redis.call('HMGET', VOTE, 'epoch', 'carrier', 'incarnation', 'counts_ms', 'until_ms')
local fence, counts_ms, until_ms = tonumber(vote[1]) or 0, tonumber(vote[4]) or 0, tonumber(vote[5]) or 0

-- Whether the node still knows all that it ever voted for: it is the same Redis, and has not lost the key.
local function is_whole()
    return vote[3] == INCARNATION and (until_ms <= now or redis.call('HEXISTS', LOCKS, SENTINEL) == 1)
end

-- Promises to vote for no older epoch. A node that may have forgotten a vote does not count until every hold that it
-- may have voted for is over.
local function promise(whole, forgotten_for_ms)
    if not whole then counts_ms = now + forgotten_for_ms end
    redis.call('HSET', VOTE, 'epoch', EPOCH, 'carrier', CARRIER, 'incarnation', INCARNATION,
        'counts_ms', digits(counts_ms))
    if not whole then redis.call('HSET', VOTE, 'until_ms', '0') end
    return counts_ms <= now and 1 or 0
end

local function split(value)
    local expires, rest = string.match(value, '^(%d+) (.*)$')
    return tonumber(expires), rest
end

local function split_vote(value)
    local expires, epoch, record = string.match(value, '^(%d+) (%d+) (.*)$')
    return tonumber(expires), epoch, record
end
