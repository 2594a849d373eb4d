-- KEYS 1 index. ARGV 1 records' prefix 2 lowest score 3 score to end before 4 offset 5 members at most
--      6 ms: what may be forgotten by then does not count 7 max_lifetime ms
-- One number for the states of many records, whatever their order: the XOR of 128 bits of each one's SHA-1.
local members = call('ZRANGEBYSCORE', KEYS[1], ARGV[2], '(' .. ARGV[3], 'LIMIT', ARGV[4], ARGV[5])
local sum, count, dead = {0, 0, 0, 0}, 0, 0

local function add(text)
  local hex = redis.sha1hex(text)
  for i = 1, 4 do sum[i] = bit.bxor(sum[i], tonumber(string.sub(hex, i * 8 - 7, i * 8), 16)) end
end

for _, key in ipairs(members) do
  local r = load(ARGV[1] .. key)
  if r.exists and forgotten_ms(r, tonumber(ARGV[7])) > tonumber(ARGV[6]) then
    count = count + 1
    if r.kind == 'X' and r.present == 0 then dead = dead + 1 end
    add(key .. '|' .. head(r.kind, r.s, r.t, r.d))
    for name, packed in pairs(r.fields) do add(key .. '|' .. name .. '|' .. string.sub(packed, 1, 21)) end
  end
end
local hex = ''
for i = 1, 4 do hex = hex .. bit.tohex(sum[i]) end
return {hex, count, #members, dead}
