-- A new deadline, if the record is live. ARGV 7 ttl ms
local no = refusal()
if no then return no end
if not w.is_live then return answer('OK') end
local stamp = take()
r.t, r.d = deadline(stamp, ARGV[7])
return finish(stamp, 1, 0)
