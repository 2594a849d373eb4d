-- What every write of this site does around its own part.
-- KEYS 1 record 2 meta 3 outbox 4 index 5 backlog
-- ARGV 1 key 2 settings (see below) 3 sent ms 4 not after ms 5 condition 6 request (8 bytes); a script's own from 7 on
local REC, META, OUTBOX, INDEX, BACKLOG = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local KEY, CONDITION, REQUEST = ARGV[1], ARGV[5], ARGV[6]
-- One argument instead of seven: each costs the engine and its client 0.1 us. Then the peers, three digits each.
local SITE, MAX_AHEAD, MAX_PENDING, OUTBOX_MOST, MAX_LIFETIME, HOLD, PEERS = struct.unpack('>c3I8I8I8I8I8', ARGV[2])
local w = {now = engine_ms()}
w.now_text = string.format('%013.0f', w.now)
local r

local function answer(word, stamp, one, two, more)
  return {word, w.now_text, w.clock, stamp or '', one or 0, two or 0, more or {}}
end

-- The answer of before, if this request was answered. Eight bytes of two neighbours may look like it: 20 are one.
local function repeated()
  if REQUEST == '' then return nil end
  local at = string.find(r.requests, REQUEST, 1, true)
  while at and at % 20 ~= 1 do at = string.find(r.requests, REQUEST, at + 1, true) end
  if not at then return nil end
  local ms, counter, one, two = struct.unpack('>I6I2I2I2', r.requests, at + 8)
  return answer('OK', string.format('%013.0f%04d%s', ms, counter, SITE), one, two)
end

local function remembered(one, two)
  if REQUEST == '' then return r.requests end
  local entry = struct.pack('>c8I6I2I2I2', REQUEST, w.ms, w.counter, one, two)
  return entry .. string.sub(r.requests, 1, 140)
end

-- What the bucket says of itself, and of each peer.
local function read_meta()
  w.peers, w.acknowledged = {}, {}
  local m
  if #ARGV[2] < PEERS then
    m = call('HMGET', META, 'h', 'fence')
  else
    local names = {'h', 'fence', 'n', 'g'}
    for at = PEERS, #ARGV[2], 3 do
      local peer = string.sub(ARGV[2], at, at + 2)
      table.insert(w.peers, peer)
      table.insert(names, 'ack:' .. peer)
    end
    m = call('HMGET', META, unpack(names))
    w.sequence, w.generation, w.acknowledged = tonumber(m[3] or 0), m[4], {unpack(m, 5)}
  end
  w.clock, w.fence = m[1] or string.sub(NEVER, 1, 17), m[2]
end

-- An answer if a peer is too far behind.
local function backlog()
  if #w.peers == 0 then return nil end
  local waiting = call('HMGET', BACKLOG, unpack(w.peers))
  for i = 1, #w.peers do
    if tonumber(waiting[i] or 0) >= MAX_PENDING then return answer('BEHIND', w.peers[i]) end
  end
end

local function condition_fails()
  if CONDITION == '' then return false end
  if CONDITION == 'absent' then return w.is_live end
  if CONDITION == 'present' then return not w.is_live end
  return not w.is_live or CONDITION ~= r.newest
end

-- An answer if the write may not be (or was done already).
local function refusal()
  read_meta()
  if w.now > tonumber(ARGV[4]) then return answer('LATE') end
  if math.abs(w.now - tonumber(ARGV[3])) > MAX_AHEAD then return answer('ASTRAY') end
  r = load(REC)
  if r.exists and r.kind ~= 'X' then r.expires = expiry(r) end
  w.live_ms = math.max(w.now, ms_of(w.clock))
  w.is_live = is_live(r, w.live_ms)
  local again = repeated()
  if again then return again end
  if w.fence then return answer('FENCED', w.fence) end
  if condition_fails() then
    local more = ARGV[9] == '1' and w.is_live and call('HGETALL', REC)
    return answer('CONFLICT', w.is_live and r.newest or '', 0, 0, more)
  end
  return backlog()
end

-- As steer/store/stamp.py has it.
local function tick()
  local ms, counter = ms_of(w.clock), tonumber(string.sub(w.clock, 14, 17))
  if w.now > ms then
    w.ms, w.counter, w.clock = w.now, 0, w.now_text .. '0000'
  elseif counter >= 4095 then
    w.ms, w.counter, w.clock = ms + 1, 0, string.format('%013.0f0000', ms + 1)
  else
    w.ms, w.counter, w.clock = ms, counter + 1, string.sub(w.clock, 1, 13) .. string.format('%04d', counter + 1)
  end
  return w.clock .. SITE
end

-- This write waits for every peer now. One that is new counts from here: what was before is sent by the change index.
local function enrol()
  for i, peer in ipairs(w.peers) do
    if not w.acknowledged[i] then call('HSET', META, 'ack:' .. peer, w.sequence) end
    call('HINCRBY', BACKLOG, peer, 1)
  end
end

-- A bucket's generation begins with its first write for a peer: its sequence counts within it.
local function begin_generation()
  local t = call('TIME')
  call('HSET', META, 'g', t[1] .. string.format('%06d', t[2]) .. SITE)
end

-- The write's stamp, with clock, outbox and index. XADD stands first: if it is refused, nothing was written.
local function take()
  local stamp = tick()
  if #w.peers > 0 then
    local place = string.sub(w.clock, 1, 13) .. '-' .. w.counter
    call('XADD', OUTBOX, 'MAXLEN', '~', OUTBOX_MOST, place, 'n', w.sequence + 1, 'k', KEY)
    enrol()
    if not w.generation then begin_generation() end
    call('HSET', META, 'h', w.clock, 'n', w.sequence + 1)
  else
    call('HSET', META, 'h', w.clock)
  end
  call('ZADD', INDEX, w.ms * 4096 + w.counter, KEY)
  return stamp
end

-- The deadline register after a write with this ttl: '' keeps that of a live record.
local function deadline(stamp, ttl)
  if ttl == '' and w.is_live then return r.t, r.d end
  return stamp, w.live_ms + math.min(tonumber(ttl) or MAX_LIFETIME, MAX_LIFETIME)
end

local function finish(stamp, one, two, value)
  local m = head(r.kind, r.s, r.t, r.d) .. remembered(one, two)
  if value then call('HSET', REC, 'm', m, 'v', value) else call('HSET', REC, 'm', m) end
  expire(REC, r, MAX_LIFETIME, HOLD)
  return answer('OK', stamp, one, two)
end
