-- The whole record anew. ARGV 13 kind (S or H) 14 ttl ms or '' 15 '1': the record before is wanted 16 value, or pairs
local no = refusal()
if no then return no end
local before = ARGV[15] == '1' and w.is_live and redis.call('HGETALL', REC) or {}
local stamp = take()
r.t, r.d = deadline(stamp, ARGV[14])
if r.exists and (r.stored > 0 or r.kind ~= ARGV[13]) then redis.call('DEL', REC) end
r.kind, r.s = ARGV[13], stamp
if r.kind == 'H' then
  for i = 16, #ARGV, 2 do redis.call('HSET', REC, 'f:' .. ARGV[i], stamp .. '1' .. ARGV[i + 1]) end
end
local done = finish(stamp, 0, 0, r.kind == 'S' and ARGV[16])
done[7] = before
return done
