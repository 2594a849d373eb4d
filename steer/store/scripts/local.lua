-- Plain keys of this site. KEYS 1 key. ARGV 1 sent ms 2 not after ms 3 max_ahead ms 4 what 5 value or '' 6 ttl ms
--      7 '1': only if absent (set), or if it has the value (delete, touch)
local now = engine_ms()
if now > tonumber(ARGV[2]) then return {'LATE', digits(now), 0} end
if math.abs(now - tonumber(ARGV[1])) > tonumber(ARGV[3]) then return {'ASTRAY', digits(now), 0} end
local done
if ARGV[4] == 'set' then
  local reply
  if ARGV[7] == '1' then reply = call('SET', KEYS[1], ARGV[5], 'PX', ARGV[6], 'NX')
  else reply = call('SET', KEYS[1], ARGV[5], 'PX', ARGV[6]) end
  done = reply and 1 or 0
elseif ARGV[7] == '1' and call('GET', KEYS[1]) ~= ARGV[5] then done = 0
elseif ARGV[4] == 'delete' then done = call('DEL', KEYS[1])
else done = call('PEXPIRE', KEYS[1], ARGV[6]) end
return {'OK', digits(now), done}
