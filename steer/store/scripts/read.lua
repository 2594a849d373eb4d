-- KEYS 1 record 2 meta. The engine's time, the clock, and the record if its deadline is ahead of both.
local now, clock = engine_ms(), clock_of(KEYS[2])
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if all[i] == 'm' then
    local d = tonumber(string.sub(all[i + 1], 42, 54))
    if d <= math.max(now, ms_of(clock)) then all = {} end
    break
  end
end
return {digits(now), clock, all}
