-- Redlock: drops what is left of a gate on a node that does not carry it any more.
-- KEYS      1 meta; 2.. the keys of the epoch that the node carried
-- ARGV      1 the epoch of the takeover, which has been published elsewhere
-- Reply     RETIRED; SUPERSEDED
-- Guarantee Only what this takeover froze goes away.

if redis.call('HGET', KEYS[1], 'frozen') ~= ARGV[1] then return { 'SUPERSEDED' } end
redis.call('UNLINK', unpack(KEYS))
return { 'RETIRED' }
