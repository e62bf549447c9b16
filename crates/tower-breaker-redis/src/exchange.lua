-- What instances see, and what the fleet makes of it; and what has changed since they looked last.
-- KEYS: the log, then the state and the registers of each circuit.
-- ARGV: tag, instance, number of the log that it has seen; then of each circuit: name, era, nonce, 1 if it reports; then
--       seq keep_for calls failed slow streak ok bad settings revision.
-- W: generation length | calls failed slow instances bad, of this generation and of the one before | streak since.
-- A register: generation seq calls failed slow streak ok bad.
local lk, tag, me, seen = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])

-- Nothing is added, but a store that only reads or is full says so to whoever only looks. Else it would hold a break for
-- ever that nobody can get a seat for.
local newest = tonumber(redis.call('ZADD', lk, 'XX', 'INCR', 0, '#') or '0')
local all, changed = 0, {}
if seen > newest then all = 1
elseif seen < newest then
  -- Something is missing between, or it is another log.
  local lowest = redis.call('ZRANGE', lk, 0, 0, 'WITHSCORES')[2]
  if tonumber(lowest) > seen + 1 then all = 1 else
    for _, name in ipairs(redis.call('ZRANGE', lk, '(' .. int(seen), '+inf', 'BYSCORE', 'LIMIT', 0, 103)) do
      if string.sub(name, 1, 1) ~= '#' then changed[#changed + 1] = name end
    end
    if #changed > 100 then all, changed = 1, {} end
  end
end

-- Rolls the sums on to this generation.
local function roll(W)
  local g = math.floor(now / W[2])
  if g == W[1] then return end
  for j = 3, 7 do W[j + 5], W[j] = g == W[1] + 1 and W[j] or 0, 0 end
  W[1] = g
end

-- Forgets instances that are gone, if these are many.
local function sweep(rk, W)
  if redis.call('HLEN', rk) <= 2 * (W[6] + W[11]) + 16 then return end
  local flat, gone = redis.call('HGETALL', rk), {}
  for i = 1, #flat, 2 do
    local r = numbers(flat[i + 1], 8, LAST_MILLIS)
    if (not r or r[1] + 1 < W[1]) and #gone < 200 then gone[#gone + 1] = flat[i] end
  end
  if #gone > 0 then redis.call('HDEL', rk, unpack(gone)) end
end

-- calls failed slow instances bad, of a register.
local function part(r) return { r[3], r[4], r[5], (r[3] > 0 or r[8] > 0) and 1 or 0, r[8] } end

-- Puts the register of this instance in the place of the one before. Returns the seq that counts.
local function count(sk, rk, v, old, a)
  local new = { 0 }
  for j = 1, 8 do if j ~= 2 then new[#new + 1] = tonumber(ARGV[a + j]) end end
  if old and old[2] >= new[2] then return old[2] end
  local keep = tonumber(ARGV[a + 2])
  local W = v.W or { math.floor(now / keep), keep, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
  roll(W)
  new[1] = W[1]
  -- Never below zero: part of a store can be lost, and another one kept.
  local from = old and (old[1] == W[1] and 2 or old[1] + 1 == W[1] and 7)
  for j, gone in ipairs(from and part(old) or {}) do W[from + j] = math.max(0, W[from + j] - gone) end
  for j, more in ipairs(part(new)) do W[2 + j] = math.min(W[2 + j] + more, LAST_SUM) end
  local streak = W[13] + math.max(0, new[6] - (old and old[6] or 0))
  if new[7] == 1 then streak = new[6] end
  W[13] = math.min(streak, LAST_SUM)
  if W[13] == 0 then W[14] = 0 elseif W[14] == 0 then W[14] = now end
  local settings, revision = ARGV[a + 9], tonumber(ARGV[a + 10])
  if v.c == '0' or revision > v.r then v.c, v.r = settings, revision end
  v.W = W
  redis.call('HSET', rk, me, string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f', unpack(new)))
  redis.call('PEXPIRE', rk, int(DAY))
  redis.call('HSET', sk, 'S', packed(v), 'W', string.format('%.0f' .. string.rep(' %.0f', 13), unpack(W)))
  redis.call('PEXPIRE', sk, int(DAY))
  sweep(rk, W)
  return new[2]
end

-- What is too old by now does not count, also if nobody has rolled it on.
local function sums(W)
  if not W then return '0 0 0 0 0 0 0' end
  local g, current, previous = math.floor(now / W[2]), 1, 1
  if g == W[1] + 1 then previous = 0 elseif g ~= W[1] then current, previous = 0, 0 end
  local sum = {}
  for j = 1, 5 do sum[j] = math.min(W[2 + j] * current + W[7 + j] * previous, LAST_SUM) end
  local streak_for = W[14] > 0 and math.max(0, now - W[14]) or 0
  return string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f', sum[1], sum[2], sum[3], W[13], streak_for, sum[4], sum[5])
end

local out, a = {}, 3
local function odd(text) out[#out + 1] = 'odd'; out[#out + 1] = text; out[#out + 1] = '' end
for i = 2, #KEYS, 2 do
  local sk, rk = KEYS[i], KEYS[i + 1]
  local name, era, nonce, reports = ARGV[a + 1], tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), ARGV[a + 4] == '1'
  local v = load(sk)
  if v then expire(lk, tag, sk, rk, name, v) end
  local mine = v and redis.pcall('HGET', rk, me)
  if not v or type(mine) == 'table' then odd('the record is unreadable') else
    local old = v.s == 'c' and numbers(mine, 8, LAST_MILLIS)
    local how, my_seq = 1, old and old[2] or 0
    if era > v.e or era == v.e and nonce > v.n then how = -2
    elseif era < v.e or nonce < v.n then how = -1
    elseif reports and (v.s ~= 'c' or v.m == 'f') then how = -1
    elseif reports then how, my_seq = 0, count(sk, rk, v, old or nil, a + 4) end
    out[#out + 1] = string.format('%d %s %s %.0f %s %.0f %s', how, standing(v), sums(v.W), my_seq, v.c, v.r,
      told(v.s == 'h' and read_lease(mine)))
    out[#out + 1] = v.k
    out[#out + 1] = v.w
  end
  a = a + (reports and 14 or 4)
end
return { int(now), int(newest), all, changed, out }
