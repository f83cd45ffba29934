-- Keeps or gives back the lease of a rebuild.
-- KEYS      1 lease
-- ARGV      1 its holder, 2 ms to keep it, or 0 to give it back
-- Reply     KEPT; LOST
-- Guarantee Never touches another holder's lease.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return { 'LOST' } end
if ARGV[2] == '0' then
    redis.call('DEL', KEYS[1])
else
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return { 'KEPT' }
