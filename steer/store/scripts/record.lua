-- Records, stamps and time: put in front of every script. steer/store/codec.py says how a record is kept.
-- What is written here runs inside the engine, which has one thread: a call costs about 1 us, a number as text 0.5 us.
local call = redis.call
local NEVER = '00000000000000000000'
local LINGER_MS = 7200000 -- a dead record stays for 2 h, so that an older state that comes late stays dead
local GRAIN_MS = 900000 -- and up to 15 min more: most writes to a record then leave its expiry as it is

local function engine_ms()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function digits(number)
  return string.format('%.0f', number)
end

local function ms_of(stamp)
  return tonumber(string.sub(stamp, 1, 13))
end

-- A number, which the engine takes with all its 16 digits.
local function score_of(stamp)
  return ms_of(stamp) * 4096 + tonumber(string.sub(stamp, 14, 17))
end

local function head(kind, s, t, d)
  return kind .. s .. t .. string.format('%013.0f', d)
end

local function clock_of(meta)
  return call('HGET', meta, 'h') or string.sub(NEVER, 1, 17)
end

-- All of a record but a plain value.
local function load(rec)
  local m = call('HGET', rec, 'm')
  local r = {exists = m and true, kind = '-', s = NEVER, t = NEVER, d = 0, requests = '', newest = NEVER,
    fields = {}, stored = 0, present = 0, bytes = 0, expires = false}
  if not m then return r end
  local kind, s, t, d = struct.unpack('c1c20c20c13', m)
  r.kind, r.s, r.t, r.d, r.requests, r.newest = kind, s, t, tonumber(d), string.sub(m, 55), s
  if call('HLEN', rec) == (kind == 'S' and 2 or 1) then return r end
  local all = call('HGETALL', rec)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'f:' then
      local stamp = string.sub(all[i + 1], 1, 20)
      r.fields[string.sub(all[i], 3)] = all[i + 1]
      r.stored, r.bytes = r.stored + 1, r.bytes + #all[i] + #all[i + 1]
      if string.sub(all[i + 1], 21, 21) == '1' then r.present = r.present + 1 end
      if stamp > r.newest then r.newest = stamp end
    end
  end
  return r
end

local function is_hash(r)
  return r.stored > 0 or r.kind == 'H'
end

local function is_live(r, now)
  if r.d <= now then return false end
  if is_hash(r) then return r.present > 0 end
  return r.kind == 'S'
end

local function forgotten_ms(r, max_lifetime)
  if r.kind ~= 'X' then return r.d end
  return math.max(r.d, ms_of(r.s) + max_lifetime)
end

-- When the engine drops the record: 2 h after its deadline. A tombstone waits for the other sites (sweep.lua takes it),
-- but not for ever.
local function expiry(r, max_lifetime, hold)
  local grace = r.kind == 'X' and hold or LINGER_MS
  return math.ceil((forgotten_ms(r, max_lifetime) + grace) / GRAIN_MS) * GRAIN_MS
end

local function expire(rec, r, max_lifetime, hold)
  local at = expiry(r, max_lifetime, hold)
  if at ~= r.expires then call('PEXPIREAT', rec, at) end
end

local function drop(rec, r)
  call('DEL', rec)
  r.expires = false
end
