-- One decision: it holds only if it follows the one that whoever proposes it knows.
-- KEYS: the log, the state, the registers or leases of the circuit.
-- ARGV: tag, name, instance, era and nonce seen, nonce proposed, which; then what that needs.
-- A lease: seats expires given ok failed; the last three of the whole half-open time.
local lk, sk, rk = KEYS[1], KEYS[2], KEYS[3]
local tag, name, me = ARGV[1], ARGV[2], ARGV[3]
local era, nonce, mine, op = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local function arg(i) return tonumber(ARGV[7 + i]) end

local v = load(sk)
if not v then return redis.error_reply('ODD the record is unreadable') end
local YES, NO, LATE, BEHIND, FULL = 1, 0, -1, -2, 2
local done, heard, next_at, lease = YES, -1, now, { seats = 0, ends = now }

local function to(state) heard = turn(lk, tag, rk, name, v, state, mine) end
local function opens(length, attempt, cause)
  to('o')
  v.u, v.d, v.a, v.k, v.w = at(length), length, math.min(attempt, LAST_U32), cause, ''
end

local function in_flight(l) return l.given - l.ok - l.failed end
local function keep(who, l)
  redis.call('HSET', rk, who, string.format('%.0f %.0f %.0f %.0f %.0f', l.seats, l.ends, l.given, l.ok, l.failed))
  redis.call('PEXPIRE', rk, int(DAY))
end

local function leases()
  local flat, all = redis.call('HGETALL', rk), {}
  for i = 1, #flat, 2 do all[flat[i]] = read_lease(flat[i + 1]) end
  return all
end

-- Whose time is over has no seats, as if what they had been given had never been: takes those back.
local function reclaim(all)
  local held = 0
  for who, l in pairs(all) do
    if l.seats > 0 and l.ends <= now then
      v.b = v.b + in_flight(l)
      l.given, l.seats = l.ok + l.failed, 0
      keep(who, l)
    end
    if l.seats > 0 and (held == 0 or l.ends < next_at) then next_at = l.ends end
    held = held + in_flight(l)
  end
  return held
end

local proposals = {}

function proposals.open()
  if v.s ~= 'c' or v.m ~= 'n' then return NO end
  local before = v.t > 0 and now - v.t < v.d and v.a or 0
  opens(arg(1), math.min(arg(2), before + 1), ARGV[10])
end

function proposals.lease()
  if v.m ~= 'n' or v.s == 'c' or v.s == 'o' and now < v.u then return NO end
  local permits, need, of, life, want = arg(1), arg(2), arg(3), arg(4), arg(5)
  if v.s == 'o' then
    to('h')
    v.p, v.q, v.x, v.b = permits, need, of - need, of
  end
  local all = leases()
  local held = reclaim(all)
  local l = all[me] or { seats = 0, ends = 0, given = 0, ok = 0, failed = 0 }
  lease = l
  if l.seats > 0 then return end
  local seats = math.min(v.p - held, v.b, want)
  if seats <= 0 then return FULL end
  l.seats, l.ends, l.given, v.b = seats, at(life), l.given + seats, v.b - seats
  keep(me, l)
end

function proposals.result()
  local l = v.s == 'h' and leases()[me]
  if not l then return NO end
  local ok = math.max(l.ok, math.min(arg(1), l.given - l.failed))
  local failed = math.max(l.failed, math.min(arg(2), l.given - ok))
  local unused = math.min(arg(3), l.given - ok - failed)
  local counts = ok > l.ok or failed > l.failed or unused > 0
  if not counts and (l.seats == 0 or l.ends <= now) then return NO end
  v.q, v.x, v.b = math.max(0, v.q - (ok - l.ok)), v.x - (failed - l.failed), v.b + unused
  l.ok, l.failed, l.given = ok, failed, l.given - unused
  if in_flight(l) == 0 then l.seats = 0 end
  if v.x < 0 then opens(arg(4), v.a + 1, 'probe_failed')
  elseif v.q == 0 then
    to('c')
    v.u, v.t, v.k, v.w = 0, now, 'recovered', ''
  else
    keep(me, l)
    if counts then redis.call('PUBLISH', tag, name) end
    lease = l
  end
end

function proposals.force()
  local at_most = arg(1)
  to('o')
  v.m, v.u, v.d, v.k, v.w = 'f', at_most >= 0 and at(at_most) or 0, math.max(0, at_most), 'manual', ARGV[9]
end

function proposals.reset()
  to('c')
  v.m, v.u, v.d, v.a, v.t, v.k, v.w = 'n', 0, 0, 0, 0, op, ARGV[8]
end

function proposals.release()
  if v.m ~= 'f' then return NO end
  return proposals.reset()
end

-- What the store has forgotten: state mode left length attempt closed_for cause who. Seats are not given back.
function proposals.restore()
  local left, closed_for = arg(3), arg(6)
  mine, v.e = nonce, era - 1
  to(ARGV[8])
  v.m, v.d, v.a, v.k, v.w = ARGV[9], arg(4), arg(5), ARGV[14], ARGV[15]
  v.u = left >= 0 and at(math.min(left, v.d)) or 0
  v.t = closed_for >= 0 and math.max(0, now - closed_for) or 0
end

local by_a_person = op == 'force' or op == 'release' or op == 'reset'
if op ~= 'restore' then expire(lk, tag, sk, rk, name, v) end
local newer = era > v.e or era == v.e and nonce > v.n
local same = era == v.e and nonce == v.n
if not proposals[op] then return redis.error_reply('ODD no such proposal') end
if (op == 'restore' and era or v.e + 1) > LAST_ERA then return redis.error_reply('ODD no era can follow') end
if op == 'restore' then
  if not newer then done = NO end
elseif newer then done = BEHIND
elseif not same and not by_a_person then done = LATE end
if done == YES then
  done = proposals[op]() or YES
  if done ~= NO then save(lk, sk, v) end
end
local seats, left = 0, 0
if v.s == 'h' and lease.seats > 0 and lease.ends > now then seats, left = lease.seats, lease.ends - now end
return { string.format('%.0f %.0f %s %.0f %.0f %.0f %.0f', done, now, standing(v), seats, left, math.max(0, next_at - now), heard), v.k, v.w }
