-- KEYS 1 meta. ARGV 1 stamp 2 max_ahead ms. The clock will only give later stamps from now on.
local now, clock = engine_ms(), clock_of(KEYS[1])
if ms_of(ARGV[1]) > now + tonumber(ARGV[2]) then return {'ASTRAY', digits(now), clock} end
local seen = string.sub(ARGV[1], 1, 17)
if seen > clock then
  call('HSET', KEYS[1], 'h', seen)
  clock = seen
end
return {'OK', digits(now), clock}
