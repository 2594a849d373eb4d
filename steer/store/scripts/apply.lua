-- States of another site, and how far its outbox is read, in one step. steer/store/merge.py says the same in Python.
-- KEYS 1 meta 2 index 3.. records
-- ARGV 1 max_ahead ms 2 max_lifetime ms 3 hold ms 4 site or '' 5 cursor (kept as it is); then for each record:
--      key, head, value, how many fields, pairs of name and packed field
local META, INDEX = KEYS[1], KEYS[2]
local CONCURRENT_MS = 2000 -- two sites' writes this close are a conflict: neither client can have seen the other's
local now, clock = engine_ms(), clock_of(KEYS[1])

-- Bytes, one by one: `<` would go by the locale.
local function is_larger(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x > y end
  end
  return #a > #b
end

local function parse(at)
  local m = ARGV[at + 1]
  local s = {key = ARGV[at], kind = string.sub(m, 1, 1), s = string.sub(m, 2, 21), t = string.sub(m, 22, 41),
    d = tonumber(string.sub(m, 42, 54)), v = ARGV[at + 2], fields = {}}
  s.last = s.t > s.s and s.t or s.s
  local count = tonumber(ARGV[at + 3])
  for i = at + 4, at + 2 + 2 * count, 2 do
    s.fields[ARGV[i]] = ARGV[i + 1]
    local stamp = string.sub(ARGV[i + 1], 1, 20)
    if stamp > s.last then s.last = stamp end
  end
  return s, at + 4 + 2 * count
end

local function base_wins(s, r, rec)
  if s.s ~= r.s then return s.s > r.s end
  if s.kind ~= r.kind then return string.byte(s.kind) > string.byte(r.kind) end
  return s.kind == 'S' and is_larger(s.v, call('HGET', rec, 'v'))
end

local function deadline_wins(s, r)
  if s.t ~= r.t then return s.t > r.t end
  return s.d > r.d
end

local function field_wins(a, b)
  if not b then return true end
  local x, y = string.sub(a, 1, 20), string.sub(b, 1, 20)
  if x ~= y then return x > y end
  return is_larger(string.sub(a, 21), string.sub(b, 21))
end

local function outlives(packed, r)
  local stamp = string.sub(packed, 1, 20)
  return stamp > r.s or (stamp == r.s and r.kind == 'H')
end

-- The base as it is now; everything but the requests known is written anew.
local function rebase(rec, r, s)
  r.kind, r.s = s.kind, s.s
  drop(rec, r)
  if r.kind == 'S' then call('HSET', rec, 'v', s.v) end
  local left = {}
  for name, packed in pairs(r.fields) do
    if outlives(packed, r) then
      left[name] = packed
      call('HSET', rec, 'f:' .. name, packed)
    end
  end
  r.fields = left
end

local function merge_fields(rec, r, s)
  local changed = false
  for name, packed in pairs(s.fields) do
    if outlives(packed, r) and field_wins(packed, r.fields[name]) then
      call('HSET', rec, 'f:' .. name, packed)
      r.fields[name], changed = packed, true
    end
  end
  return changed
end

local function last_stamp(r)
  local last = r.t > r.s and r.t or r.s
  for _, packed in pairs(r.fields) do
    local stamp = string.sub(packed, 1, 20)
    if stamp > last then last = stamp end
  end
  return last
end

local function is_conflict(s, r)
  local sites_differ = string.sub(s.s, 18) ~= string.sub(r.s, 18)
  return r.s ~= NEVER and sites_differ and ms_of(s.s) - ms_of(r.s) < CONCURRENT_MS
end

local function merge(rec, s)
  local r = load(rec)
  local conflict, changed = false, false
  if base_wins(s, r, rec) then
    conflict, changed = is_conflict(s, r), true
    rebase(rec, r, s)
  end
  if merge_fields(rec, r, s) then changed = true end
  if deadline_wins(s, r) then r.t, r.d, changed = s.t, s.d, true end
  if not changed then return false, false end
  if r.kind == 'S' and next(r.fields) then call('HSET', rec, 'v', '') end
  call('HSET', rec, 'm', head(r.kind, r.s, r.t, r.d) .. r.requests)
  expire(rec, r, tonumber(ARGV[2]), tonumber(ARGV[3]))
  call('ZADD', INDEX, score_of(last_stamp(r)), s.key)
  return true, conflict
end

local states, at, latest = {}, 6, clock
for i = 3, #KEYS do
  local s
  s, at = parse(at)
  states[i] = s
  if ms_of(s.last) > now + tonumber(ARGV[1]) then return {'ASTRAY', digits(now), clock, s.last, 0} end
  if string.sub(s.last, 1, 17) > latest then latest = string.sub(s.last, 1, 17) end
end
local changes, conflicts = 0, 0
for i = 3, #KEYS do
  local changed, conflict = merge(KEYS[i], states[i])
  if changed then changes = changes + 1 end
  if conflict then conflicts = conflicts + 1 end
end
if latest > clock then call('HSET', META, 'h', latest) end
if ARGV[4] ~= '' then call('HSET', META, 'cur:' .. ARGV[4], ARGV[5]) end
return {'OK', digits(now), latest, changes, conflicts}
