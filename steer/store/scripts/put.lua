-- The whole record anew. ARGV 7 kind (S or H) 8 ttl ms or '' 9 '1': the record before is wanted 10 value, or pairs
local no = refusal()
if no then return no end
local before = ARGV[9] == '1' and w.is_live and call('HGETALL', REC) or {}
local stamp = take()
r.t, r.d = deadline(stamp, ARGV[8])
if r.exists and (r.stored > 0 or r.kind ~= ARGV[7]) then drop(REC, r) end
r.kind, r.s = ARGV[7], stamp
if r.kind == 'H' then
  for i = 10, #ARGV, 2 do call('HSET', REC, 'f:' .. ARGV[i], stamp .. '1' .. ARGV[i + 1]) end
end
local done = finish(stamp, 0, 0, r.kind == 'S' and ARGV[10])
done[7] = before
return done
