-- KEYS 1 index 2 meta. ARGV 1 records' prefix 2 cursor 3 glob 4 count
local found = call('ZSCAN', KEYS[1], ARGV[2], 'MATCH', ARGV[3], 'COUNT', ARGV[4])
local now = math.max(engine_ms(), ms_of(clock_of(KEYS[2])))
local live = {}
for i = 1, #found[2], 2 do
  if is_live(load(ARGV[1] .. found[2][i]), now) then table.insert(live, found[2][i]) end
end
return {found[1], live}
