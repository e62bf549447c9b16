-- One decision: it holds only if it follows the one that whoever proposes it knows.
-- KEYS: the log, the state, the registers or leases of the circuit.
-- ARGV: tag, name, instance, era and nonce seen, nonce proposed, which; then what that needs.
local lk, sk, rk = KEYS[1], KEYS[2], KEYS[3]
local tag, name, me = ARGV[1], ARGV[2], ARGV[3]
local era, nonce, mine, op = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local function arg(i) return tonumber(ARGV[7 + i]) end

local v = load(sk)
if not v then return redis.error_reply('ODD the record is unreadable') end
local YES, NO, LATE, BEHIND, FULL = 1, 0, -1, -2, 2
local done, heard, next_in = YES, -1, 0

local function to(state) heard = turn(lk, tag, rk, name, v, state, mine) end
local function begin_break(length) v.u, v.d = at(length), length end
local function say(cause, who) v.k, v.w = cause, who end

local function keep(who, l)
  redis.call('HSET', rk, who, string.format('%.0f %.0f %.0f %.0f %.0f %.0f', l.ends, l.life, l.given, l.ok, l.failed, l.back))
  redis.call('PEXPIRE', rk, int(DAY))
end

-- Takes back seats whose time is over, as if those probes had never been. How many others are out, and until when. If the
-- clock has gone back, nobody has them for longer from now on than they were given for; whoever asks knows its own by
-- their end.
local function reclaim()
  local flat, held, first = redis.call('HGETALL', rk), 0, nil
  for i = 1, #flat, 2 do
    local l = read_lease(flat[i + 1])
    local seats = l and seats_of(l) or 0
    if seats > 0 and l.ends <= now then
      v.b = v.b + seats
      l.back, l.ends = l.back + seats, 0
      keep(flat[i], l)
    elseif seats > 0 then
      if flat[i] ~= me and l.ends > at(l.life) then
        l.ends = at(l.life)
        keep(flat[i], l)
      end
      held = held + seats
      if not first or l.ends < first then first = l.ends end
    end
  end
  return held, first or now
end

local proposals = {}

function proposals.open()
  if v.s ~= 'c' or v.m ~= 'n' then return NO end
  -- A calm as long as the last break ends a row of them.
  local in_a_row = v.t > 0 and math.max(0, now - v.t) < v.d and v.a or 0
  to('o')
  begin_break(arg(1))
  v.a = math.min(arg(2), in_a_row + 1, LAST_U32)
  say(ARGV[10], '')
end

function proposals.lease()
  if v.m ~= 'n' or v.s == 'c' or v.s == 'o' and now < v.u then return NO end
  local permits, need, of, life, want = arg(1), arg(2), arg(3), arg(4), arg(5)
  if v.s == 'o' then
    -- Those of whoever asks first hold until it is over.
    to('h')
    v.p, v.q, v.x, v.b = permits, need, of - need, of
  end
  local held, first = reclaim()
  local l = read_lease(redis.call('HGET', rk, me)) or { ends = 0, life = 0, given = 0, ok = 0, failed = 0, back = 0 }
  -- Who asks once more has not heard the answer: the same seats, for what is left of their time.
  if seats_of(l) > 0 then return YES end
  local seats = math.min(v.p - held, v.b, want)
  if seats <= 0 then
    next_in = first - now
    return FULL
  end
  l.ends, l.life, l.given, v.b = at(life), life, l.given + seats, v.b - seats
  keep(me, l)
end

function proposals.result()
  local l = v.s == 'h' and read_lease(redis.call('HGET', rk, me))
  if not l then return NO end
  -- In all, and never more than there were seats.
  local function grow(field, all)
    local more = math.min(math.max(0, all - l[field]), seats_of(l))
    l[field] = l[field] + more
    return more
  end
  local is_over = l.ends <= now
  local ok, failed, back = grow('ok', arg(1)), grow('failed', arg(2)), grow('back', arg(3))
  if is_over and ok + failed + back == 0 then return NO end
  if seats_of(l) == 0 then l.ends = 0 end
  if failed > v.x then
    local attempt = math.min(v.a + 1, LAST_U32)
    to('o')
    begin_break(arg(4))
    v.a = attempt
    say('probe_failed', '')
  elseif ok >= v.q then
    to('c')
    v.u, v.t = 0, now
    say('recovered', '')
  else
    v.q, v.x, v.b = v.q - ok, v.x - failed, v.b + back
    keep(me, l)
    -- A seat is free.
    redis.call('PUBLISH', tag, name)
  end
end

function proposals.force()
  local at_most = arg(1)
  to('o')
  begin_break(math.max(0, at_most))
  v.m = 'f'
  if at_most < 0 then v.u = 0 end
  say('manual', ARGV[9])
end

function proposals.reset()
  to('c')
  v.m, v.u, v.d, v.a, v.t = 'n', 0, 0, 0, 0
  say(op, ARGV[8])
end

function proposals.release()
  if v.m ~= 'f' then return NO end
  return proposals.reset()
end

-- What the store has forgotten: state mode left length attempt closed_for cause who. Nobody knows who has which seats.
function proposals.restore()
  local left, closed_for = arg(3), arg(6)
  v.e, mine = era - 1, nonce
  to(ARGV[8])
  v.m, v.d, v.a = ARGV[9], arg(4), arg(5)
  v.u = left >= 0 and at(math.min(left, v.d)) or 0
  v.t = closed_for >= 0 and math.max(0, now - closed_for) or 0
  say(ARGV[14], ARGV[15])
end

if op ~= 'restore' then expire(lk, tag, sk, rk, name, v) end
local is_newer = era > v.e or era == v.e and nonce > v.n
local is_older = era < v.e or era == v.e and nonce < v.n
if (op == 'restore' and era or v.e + 1) > LAST_ERA then return redis.error_reply('ODD no era can follow') end
if op == 'restore' then
  if not is_newer then done = NO end
elseif is_newer then done = BEHIND
elseif is_older and op ~= 'force' and op ~= 'release' and op ~= 'reset' then done = LATE end
if done == YES then
  done = proposals[op]() or YES
  if done ~= NO then save(lk, sk, v) end
  if done ~= YES then heard = -1 end
end
local lease = told(v.s == 'h' and read_lease(redis.call('HGET', rk, me)))
return { string.format('%.0f %.0f %s %s %.0f %.0f', done, now, standing(v), lease, next_in, heard), v.k, v.w }
