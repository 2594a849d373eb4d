-- KEYS 1 meta 2 backlog. ARGV 1 site 2 the sequence that it has
local written = tonumber(call('HGET', KEYS[1], 'n') or 0)
local has = math.min(tonumber(ARGV[2]), written)
local had = call('HGET', KEYS[1], 'ack:' .. ARGV[1])
if had and has <= tonumber(had) then return 0 end
call('HSET', KEYS[1], 'ack:' .. ARGV[1], digits(has))
if not had then return 0 end
call('HINCRBY', KEYS[2], ARGV[1], digits(tonumber(had) - has))
return 1
