-- Fields of a hash. ARGV 7 ttl ms or '' 8 bytes at most 9 '' 10 fields at most 11 how many pairs; pairs; names to remove
local no = refusal()
if no then return no end
if w.is_live and not is_hash(r) then return answer('KIND') end
local expired = r.d <= w.live_ms and (r.kind == 'S' or r.kind == 'H' or r.stored > 0)
local old = expired and {} or r.fields
local stored, bytes = expired and 0 or r.stored, expired and 0 or r.bytes
local last = 11 + 2 * tonumber(ARGV[11])
local function is_there(name)
  return old[name] and string.sub(old[name], 21, 21) == '1'
end
local added, gone = 0, {}
for i = 12, last, 2 do
  local name = ARGV[i]
  if not is_there(name) then added = added + 1 end
  if old[name] then bytes = bytes - #old[name] - #name - 2 else stored = stored + 1 end
  bytes = bytes + #name + 2 + 21 + #ARGV[i + 1]
end
for i = last + 1, #ARGV do
  if is_there(ARGV[i]) then table.insert(gone, ARGV[i]) end
end
if bytes > tonumber(ARGV[8]) or stored > tonumber(ARGV[10]) then return answer('LARGE') end
if last == 11 and #gone == 0 and (ARGV[7] == '' or not w.is_live) then return answer('OK', r.newest) end
local stamp = take()
r.t, r.d = deadline(stamp, ARGV[7])
if expired then
  drop(REC, r)
  r.kind, r.s = 'H', stamp
end
for i = 12, last, 2 do call('HSET', REC, 'f:' .. ARGV[i], stamp .. '1' .. ARGV[i + 1]) end
for _, name in ipairs(gone) do call('HSET', REC, 'f:' .. name, stamp .. '0') end
return finish(stamp, added, #gone)
