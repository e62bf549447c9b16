local T = redis.call('TIME')
local now = T[1] * 1000 + math.floor(T[2] / 1000)
if now < 1e12 then return redis.error_reply('CLOCK the clock of the store tells no time') end

-- What is believed at most, as in tower_breaker::fleet::wire.
local LAST_ERA, LAST_MILLIS, LAST_U32, MOST_PROBES = 2^43, 2^52, 2^32 - 1, 63
-- What a number of Lua holds exactly.
local LAST_SUM = 2^53
local DAY, MONTH = 86400000, 2592000000

-- Lua would write 1e+14.
local function int(n) return string.format('%.0f', n) end
local function at(length) return math.min(now + length, LAST_MILLIS) end

-- The numbers of a text, if these are as many as they should be, and none above `most`.
local function numbers(text, count, most)
  if type(text) ~= 'string' or #text > 20 * count or not string.match(text, '^%d+' .. string.rep(' %d+', count - 1) .. '$') then
    return nil
  end
  local all = {}
  for number in string.gmatch(text, '%d+') do
    all[#all + 1] = tonumber(number)
    if all[#all] > most then return nil end
  end
  return all
end

-- S has all of it, in one field: twenty fields cost six times as much.
--   e n  stamp                     s m  state: c o h, mode: n f            u d  when the break ends, its length
--   a t  attempt, last close       p q x b  permits need spare budget      r c  revision and fingerprint of the settings
-- k is the cause, w who did it, W what all see: see exchange.lua.
local PATTERN = '^(%d+) (%d+) ([coh]) ([nf]) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$'
local function is_u64(text) return #text < 20 or #text == 20 and text <= '18446744073709551615' end

-- The record, or nil if a field of it is nothing that we write. Nothing is ever written to that.
local function load(sk)
  local got = redis.pcall('HMGET', sk, 'S', 'k', 'w', 'W')
  if got.err then return nil end
  local v = { k = got[2] or '', w = got[3] or '', W = got[4] or '' }
  if #v.k > 120 or #v.w > 64 then return nil end
  local S = got[1] or '0 0 c n 0 0 0 0 0 0 0 0 0 0'
  local e, n, s, m, u, d, a, t, p, q, x, b, r, c = string.match(S, PATTERN)
  if not e or #S > 250 or not is_u64(c) then return nil end
  v.e, v.n, v.s, v.m, v.u, v.d, v.a, v.t = e + 0, n + 0, s, m, u + 0, d + 0, a + 0, t + 0
  v.p, v.q, v.x, v.b, v.r, v.c = p + 0, q + 0, x + 0, b + 0, r + 0, c
  if v.e > LAST_ERA or math.max(v.n, v.a) > LAST_U32 or math.max(v.u, v.d, v.t, v.r) > LAST_MILLIS
    or math.max(v.p, v.q, v.x, v.b) > MOST_PROBES then return nil end
  if v.W ~= '' then
    v.W = numbers(v.W, 14, LAST_SUM)
    if not v.W or v.W[2] == 0 then return nil end
  else v.W = nil end
  return v
end

local function packed(v)
  return string.format('%.0f %.0f %s %s %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %s',
    v.e, v.n, v.s, v.m, v.u, v.d, v.a, v.t, v.p, v.q, v.x, v.b, v.r, v.c)
end

local function save(lk, sk, v)
  redis.call('HSET', sk, 'S', packed(v), 'k', v.k, 'w', v.w, 'W', '')
  redis.call('PEXPIRE', sk, int(v.m == 'f' and MONTH or DAY))
  redis.call('PEXPIRE', lk, int(DAY))
end

-- The next decision: whatever belongs to the last one goes. Returns how many were told. First what can fail.
-- A log begins with the time: who has seen one that is no more sees that by any number of the new one. Its beginning is
-- an entry: else a circuit that has changed twice would look like a gap, as long as no other one has.
local function turn(lk, tag, rk, name, v, to, nonce)
  local number = redis.call('ZINCRBY', lk, 1, '#')
  if number == '1' then
    number = int(now + 1)
    redis.call('ZADD', lk, int(now), '#0', number, '#')
  end
  redis.call('ZADD', lk, number, name)
  redis.call('ZREMRANGEBYRANK', lk, 0, -4098)
  redis.call('UNLINK', rk)
  v.e, v.n, v.s, v.W = v.e + 1, nonce, to, nil
  v.p, v.q, v.x, v.b = 0, 0, 0, 0
  return redis.call('PUBLISH', tag, name)
end

-- Forced open, and its time is over: whoever comes by closes it. The nonce stays: all who do it write the same.
-- If the clock has gone back, no break is longer from now on than it is.
local function expire(lk, tag, sk, rk, name, v)
  if v.s == 'o' and v.u > at(v.d) then
    v.u = at(v.d)
    redis.call('HSET', sk, 'S', packed(v))
  end
  if v.m == 'f' and v.u > 0 and now >= v.u and v.e < LAST_ERA then
    -- Whoever comes by writes the same. Not the nonce itself: the word that forced it may come twice, and follow itself.
    turn(lk, tag, rk, name, v, 'c', 4294967295 - v.n)
    v.m, v.k, v.w, v.u, v.t, v.a = 'n', 'force_expired', '', 0, now, 0
    save(lk, sk, v)
  end
end

-- e n s m left length attempt closed_for p q x b. -1: without end, never open before.
local function standing(v)
  local left, closed_for = 0, -1
  if v.s == 'o' then left = math.max(0, math.min(v.u - now, v.d)) end
  if v.m == 'f' and v.u == 0 then left = -1 end
  if v.s == 'c' and v.t > 0 then closed_for = math.max(0, now - v.t) end
  return string.format('%.0f %.0f %s %s %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f',
    v.e, v.n, v.s, v.m, left, v.d, v.a, closed_for, v.p, v.q, v.x, v.b)
end

-- ends life given ok failed back; all but the first two of the whole half-open time, so a copy that comes late changes
-- nothing.
-- Seats of which nobody knows what becomes of them are the rest.
local function read_lease(text)
  local l = numbers(text, 6, LAST_MILLIS)
  if not l or l[3] < l[4] + l[5] + l[6] then return nil end
  return { ends = l[1], life = l[2], given = l[3], ok = l[4], failed = l[5], back = l[6] }
end
local function seats_of(l) return l.given - l.ok - l.failed - l.back end

-- Seats and for how long, of the lease of an instance: none is 0 0.
local function told(l)
  local seats, left = l and seats_of(l) or 0, l and l.ends - now or 0
  if seats <= 0 or left <= 0 then return '0 0' end
  return string.format('%.0f %.0f', seats, left)
end
