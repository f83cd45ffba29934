-- Redlock, behind votes.lua: a node that is new to the event, or that has lost its memory, begins to vote.
-- KEYS      as in votes.lua
-- ARGV      ..., 4 ms for which a hold can last
-- Reply     ENROLLED; FENCED <now> <epoch> <carrier>
-- Guarantee It does not count until every hold that it may have forgotten is over.

if fence > tonumber(EPOCH) then return { 'FENCED', digits(now), digits(fence), vote[2] } end
promise(is_whole(), tonumber(ARGV[4]))
return { 'ENROLLED' }
