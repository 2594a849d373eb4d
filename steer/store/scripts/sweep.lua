-- KEYS 1 index. ARGV 1 records' prefix 2 offset 3 members at most 4 score that every site has 5 max_lifetime ms
-- Members whose record is gone, and tombstones that no site needs any more. How many were seen, and how many went.
local now = engine_ms()
local members = call('ZRANGE', KEYS[1], ARGV[2], ARGV[2] + ARGV[3] - 1, 'WITHSCORES')
local gone = 0
for i = 1, #members, 2 do
  local rec = ARGV[1] .. members[i]
  local r = load(rec)
  local is_known = tonumber(members[i + 1]) <= tonumber(ARGV[4])
  local is_over = r.kind == 'X' and is_known and forgotten_ms(r, tonumber(ARGV[5])) <= now
  if is_over then drop(rec, r) end
  if is_over or not r.exists then
    call('ZREM', KEYS[1], members[i])
    gone = gone + 1
  end
end
return {#members / 2, gone}
