-- What every write of this site does around its own part.
-- KEYS 1 record 2 meta 3 outbox 4 index 5 backlog
-- ARGV 1 key 2 site 3 sent ms 4 not after ms 5 max_ahead ms 6 peers 7 max_pending 8 outbox entries at most
--      9 max_lifetime ms 10 hold ms 11 condition 12 request (8 bytes); a script's own from 13 on
local REC, META, OUTBOX, INDEX, BACKLOG = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local MAX_LIFETIME, HOLD = tonumber(ARGV[9]), tonumber(ARGV[10])
local w = {now = engine_ms()}
local r

local function answer(word, stamp, one, two, more)
  return {word, digits(w.now), w.clock, stamp or '', one or 0, two or 0, more or {}}
end

local function repeated()
  if ARGV[12] == '' then return nil end
  for at = 1, #r.requests, 20 do
    local id, ms, counter, one, two = struct.unpack('>c8I6I2I2I2', string.sub(r.requests, at, at + 19))
    if id == ARGV[12] then
      return answer('OK', string.format('%013.0f%04d%s', ms, counter, ARGV[2]), one, two)
    end
  end
end

local function remembered(one, two)
  if ARGV[12] == '' then return r.requests end
  local entry = struct.pack('>c8I6I2I2I2', ARGV[12], w.ms, w.counter, one, two)
  return entry .. string.sub(r.requests, 1, 140)
end

-- What the bucket says of itself, and of each peer.
local function read_meta()
  w.peers = {}
  local names = {'h', 'fence', 'n', 'g'}
  for peer in string.gmatch(ARGV[6], '%d+') do
    table.insert(w.peers, peer)
    table.insert(names, 'ack:' .. peer)
  end
  local m = redis.call('HMGET', META, unpack(names))
  w.clock, w.fence, w.sequence = m[1] or string.sub(NEVER, 1, 17), m[2], tonumber(m[3] or 0)
  w.generation, w.acknowledged = m[4], {unpack(m, 5)}
end

-- An answer if a peer is too far behind.
local function backlog()
  if #w.peers == 0 then return nil end
  local waiting = redis.call('HMGET', BACKLOG, unpack(w.peers))
  for i = 1, #w.peers do
    if tonumber(waiting[i] or 0) >= tonumber(ARGV[7]) then return answer('BEHIND', w.peers[i]) end
  end
end

local function condition_fails()
  local asked = ARGV[11]
  if asked == '' then return false end
  if asked == 'absent' then return w.is_live end
  if asked == 'present' then return not w.is_live end
  return not w.is_live or asked ~= r.newest
end

-- An answer if the write may not be (or was done already).
local function refusal()
  read_meta()
  if w.now > tonumber(ARGV[4]) then return answer('LATE') end
  if math.abs(w.now - tonumber(ARGV[3])) > tonumber(ARGV[5]) then return answer('ASTRAY') end
  r = load(REC)
  w.live_ms = math.max(w.now, ms_of(w.clock))
  w.is_live = is_live(r, w.live_ms)
  local again = repeated()
  if again then return again end
  if w.fence then return answer('FENCED', w.fence) end
  if condition_fails() then
    local more = ARGV[15] == '1' and w.is_live and redis.call('HGETALL', REC)
    return answer('CONFLICT', w.is_live and r.newest or '', 0, 0, more)
  end
  return backlog()
end

local function tick()
  local ms, counter = ms_of(w.clock), tonumber(string.sub(w.clock, 14, 17))
  if w.now > ms then w.ms, w.counter = w.now, 0
  elseif counter >= 4095 then w.ms, w.counter = ms + 1, 0
  else w.ms, w.counter = ms, counter + 1 end
  w.clock = string.format('%013.0f%04d', w.ms, w.counter)
  return w.clock .. ARGV[2]
end

-- This write waits for every peer now. One that is new counts from here: what was before is sent by the change index.
local function enrol()
  for i, peer in ipairs(w.peers) do
    if not w.acknowledged[i] then redis.call('HSET', META, 'ack:' .. peer, digits(w.sequence)) end
    redis.call('HINCRBY', BACKLOG, peer, 1)
  end
end

-- A bucket's generation begins with its first write for a peer: its sequence counts within it.
local function begin_generation()
  local t = redis.call('TIME')
  redis.call('HSET', META, 'g', t[1] .. string.format('%06d', t[2]) .. ARGV[2])
end

-- The write's stamp, with clock, outbox and index. XADD stands first: if it is refused, nothing was written.
local function take()
  local stamp = tick()
  if #w.peers > 0 then
    redis.call('XADD', OUTBOX, 'MAXLEN', '~', ARGV[8], digits(w.ms) .. '-' .. w.counter,
      'n', digits(w.sequence + 1), 'k', ARGV[1])
    enrol()
    if not w.generation then begin_generation() end
    redis.call('HSET', META, 'h', w.clock, 'n', digits(w.sequence + 1))
  else
    redis.call('HSET', META, 'h', w.clock)
  end
  redis.call('ZADD', INDEX, score_of(stamp), ARGV[1])
  return stamp
end

-- The deadline register after a write with this ttl: '' keeps that of a live record.
local function deadline(stamp, ttl)
  if ttl == '' and w.is_live then return r.t, r.d end
  return stamp, w.live_ms + math.min(tonumber(ttl) or MAX_LIFETIME, MAX_LIFETIME)
end

local function finish(stamp, one, two, value)
  local m = head(r.kind, r.s, r.t, r.d) .. remembered(one, two)
  if value then redis.call('HSET', REC, 'm', m, 'v', value) else redis.call('HSET', REC, 'm', m) end
  expire(REC, r, MAX_LIFETIME, HOLD)
  return answer('OK', stamp, one, two)
end
