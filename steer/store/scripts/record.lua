-- Records, stamps and time: put in front of every script. steer/store/codec.py says how a record is kept.
local NEVER = '00000000000000000000'
local LINGER_MS = 7200000 -- a dead record stays for 2 h, so that an older state that comes late stays dead

local function engine_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function digits(number)
  return string.format('%.0f', number)
end

local function ms_of(stamp)
  return tonumber(string.sub(stamp, 1, 13))
end

local function score_of(stamp)
  return digits(ms_of(stamp) * 4096 + tonumber(string.sub(stamp, 14, 17)))
end

local function head(kind, s, t, d)
  return kind .. s .. t .. string.format('%013.0f', d)
end

local function clock_of(meta)
  return redis.call('HGET', meta, 'h') or string.sub(NEVER, 1, 17)
end

-- All of a record but a plain value.
local function load(rec)
  local r = {kind = '-', s = NEVER, t = NEVER, d = 0, requests = '', fields = {}, stored = 0, present = 0, bytes = 0}
  local m = redis.call('HGET', rec, 'm')
  r.newest = NEVER
  if not m then return r end
  r.exists = true
  r.kind, r.s, r.t = string.sub(m, 1, 1), string.sub(m, 2, 21), string.sub(m, 22, 41)
  r.d, r.requests, r.newest = tonumber(string.sub(m, 42, 54)), string.sub(m, 55), r.s
  if redis.call('HLEN', rec) == (r.kind == 'S' and 2 or 1) then return r end
  local all = redis.call('HGETALL', rec)
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

-- A record goes 2 h after its deadline. A tombstone waits for the other sites (sweep.lua takes it), but not for ever.
local function expire(rec, r, max_lifetime, hold)
  local grace = r.kind == 'X' and hold or LINGER_MS
  redis.call('PEXPIREAT', rec, digits(forgotten_ms(r, max_lifetime) + grace))
end
