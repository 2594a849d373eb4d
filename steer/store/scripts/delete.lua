-- A tombstone, also where nothing is: the end may come before the record does.
local no = refusal()
if no then return no end
local stamp = take()
local was_live = w.is_live and 1 or 0
drop(REC, r)
r.kind, r.s = 'X', stamp
return finish(stamp, was_live, 0)
