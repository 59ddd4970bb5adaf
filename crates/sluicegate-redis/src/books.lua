-- The books: takes, settles and renews what one batch of requests asks, in the order in which they came.
--
-- KEYS      the accounts, and the marks of settlements, each once
-- ARGV[1]   the time in microseconds since 1970; empty: Redis' own (a test brings its own)
-- ARGV[2]   how long a lease lasts, in microseconds
-- ARGV[3]   one letter for each key: t token bucket, f fixed window, s sliding window, g sliding log,
--           c slots of a concurrent limit, m the mark of a settlement
-- ARGV[4]   rows of four numbers, as doubles, each row once: most requests of a batch want the same
-- ARGV[5]   the requests, in bytes: a letter, how many lines, which of the leases (0: none), for `s` also a row and a
--           mark's key (0: none); and of each line its key and a row
-- ARGV[6..] the leases
--
--           t take, l look    row of t: worth, its fraction, tolerance, its fraction
--                             row of f s g: cost, amount, window    of c: cost, amount
--           s settle          its own row: when it was taken, give or take
--                             row of t: 1 or -1, difference, its fraction
--                             row of f s g: estimate, actual, amount, window    of c: cost
--           r renew           row of c: cost
--
-- It answers with one list of integers: the time, and for each request 1 (done), 0 (denied) or 2 and a text (the keys
-- hold something else). A take or look that was answered 1 or 0 is followed by its accounts as they stood before it.
--
-- All numbers are integers below 2^53, which doubles hold exactly. Times are whole microseconds; those of token buckets
-- have a fraction in 1/16000 of one, so that they are as fine as the engine's ticks. What decides here is the
-- engine's `accounts`, line by line; whatever else is told of an account is worked out there.

local FRACTION = 16000
local LAST = 2730758304606846 -- the end of the engine's clock
local MOST = 9007199254740992
local floor, ceil, min, max, call, format = math.floor, math.ceil, math.min, math.max, redis.call, string.format

local now = tonumber(ARGV[1])
if not now then
  -- Once: it runs on while a script does.
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end
local lease = tonumber(ARGV[2])
local kinds = { ARGV[3]:byte(1, -1) }
local rows = { struct.unpack('<' .. ('d'):rep(#ARGV[4] / 8), ARGV[4]) }
local bytes = { ARGV[5]:byte(1, -1) }

-- The accounts, in up to four numbers each, by the numbers of their keys.
--   t: full at, fraction    f: ends, count, idle at    s: begins, current, previous, idle at
--   g: {at, cost, …}, idle at    c: held, {member = expiry, or false where it is to go}    m: whether it is there
local w, x, y, z, changed, bad = {}, {}, {}, {}, {}, {}

local kept = call('MGET', unpack(KEYS))
local absent = {}
for k = 1, #KEYS do
  local kind, text = kinds[k], kept[k]
  w[k], x[k], y[k], z[k] = 0, 0, 0, 0
  if kind == 99 then -- c
    local held = redis.pcall('ZSCORE', KEYS[k], 'held')
    if type(held) == 'table' and held.err then
      bad[k] = true
    elseif held then
      w[k] = -held
      for _, member in ipairs(call('ZRANGEBYSCORE', KEYS[k], '(0', now)) do
        w[k] = w[k] - member:match(':(%d+)$')
        changed[k] = true
      end
    end
    x[k] = {}
  elseif not text then
    if kind == 103 then w[k] = {} end
    absent[#absent + 1] = KEYS[k]
  elseif kind == 109 then -- m
    w[k] = 1
  elseif kind == 116 then -- t
    local at = tonumber(text)
    if at then
      w[k] = at
    else
      local at, fraction = text:match('^(%d+) (%d+)$')
      w[k], x[k] = tonumber(at), tonumber(fraction)
    end
    bad[k] = not w[k]
  elseif kind == 102 then -- f
    local ends, count, idle = text:match('^(%d+) (%d+) (%d+)$')
    w[k], x[k], y[k] = tonumber(ends), tonumber(count), tonumber(idle)
    bad[k] = not y[k]
  elseif kind == 115 then -- s
    local begins, current, previous, idle = text:match('^(%d+) (%d+) (%d+) (%d+)$')
    w[k], x[k], y[k], z[k] = tonumber(begins), tonumber(current), tonumber(previous), tonumber(idle)
    bad[k] = not z[k]
  else -- g
    local log = {}
    for number in text:gmatch('%d+') do log[#log + 1] = tonumber(number) end
    w[k], x[k] = log, table.remove(log)
    bad[k] = not text:match('^[%d ]+$') or #log % 2 == 1
  end
end
-- MGET finds nothing in a key of another type, and SET would write over it.
if #absent > 0 and call('EXISTS', unpack(absent)) > 0 then
  for k = 1, #KEYS do
    if kinds[k] ~= 99 and not kept[k] and call('EXISTS', KEYS[k]) > 0 then bad[k] = true end
  end
end

-- Whether a·b ≤ c·d, exactly: each product as its rounded value and what rounding lost (Dekker, 1971).
local function at_most(a, b, c, d)
  local function product(p, q)
    local high = p * q
    local t = 134217729 * p
    local ph = t - (t - p)
    t = 134217729 * q
    local qh = t - (t - q)
    local pl, ql = p - ph, q - qh
    return high, ((ph * qh - high) + ph * ql + pl * qh) + pl * ql
  end
  local high, low = product(a, b)
  local other_high, other_low = product(c, d)
  if high ~= other_high then return high < other_high end
  return low <= other_low
end

-- The window of a counter as it stands now: what has ended is forgotten, what is owed is carried over.
local function fixed(k, amount, window)
  local ends, count = w[k], x[k]
  if now >= y[k] then return 0, 0 end
  if now < ends then return ends, count end
  local passed = floor((now - ends) / window) + 1
  count = max(count - amount * passed, 0)
  return ends + window * passed, count
end

local function sliding(k, amount, window)
  local begins, current, previous = w[k], x[k], y[k]
  if now >= z[k] then return 0, 0, 0 end
  local passed = floor(max(now - begins, 0) / window)
  if passed == 0 then return begins, current, previous end
  previous = min(max(current - amount * (passed - 1), 0), amount)
  current = max(current - amount * passed, 0)
  return begins + window * passed, current, previous
end

-- Puts a counter back with another count.
local function count_fixed(k, amount, window, ends, count)
  local idle = 0
  if count > 0 then idle = min(ends + floor((count - 1) / max(amount, 1)) * window, LAST) end
  w[k], x[k], y[k], changed[k] = ends, count, idle, true
end

local function count_sliding(k, amount, window, begins, current, previous)
  local idle = 0
  if current > 0 then
    idle = min(begins + (floor((current - 1) / max(amount, 1)) + 2) * window, LAST)
  elseif previous > 0 then
    idle = min(begins + window, LAST)
  end
  w[k], x[k], y[k], z[k], changed[k] = begins, current, previous, idle, true
end

-- Charges a counter or a log, whether it fits or not.
local function count(kind, k, cost, amount, window)
  if kind == 102 then
    local ends, spent = fixed(k, amount, window)
    if spent == 0 then ends = min(now + window, LAST) end
    count_fixed(k, amount, window, ends, min(spent + cost, MOST))
  elseif kind == 115 then
    local begins, current, previous = sliding(k, amount, window)
    if current == 0 and previous == 0 then begins = now end
    count_sliding(k, amount, window, begins, min(current + cost, MOST), previous)
  else
    local log = {}
    for i = 1, #w[k], 2 do
      if w[k][i] + window > now then log[#log + 1], log[#log + 2] = w[k][i], w[k][i + 1] end
    end
    local place = #log + 1
    -- Time may have gone back.
    while place > 1 and log[place - 2] > now do place = place - 2 end
    if place > 1 and log[place - 2] == now then
      log[place - 1] = min(log[place - 1] + cost, MOST)
    else
      table.insert(log, place, cost)
      table.insert(log, place, now)
    end
    w[k], x[k], changed[k] = log, min(log[#log - 1] + window, LAST), true
  end
end

-- Moves the time at which a bucket is full.
local function move(k, at, fraction)
  if fraction >= FRACTION then at, fraction = at + 1, fraction - FRACTION end
  if fraction < 0 then at, fraction = at - 1, fraction + FRACTION end
  if at < 0 then at, fraction = 0, 0 end
  if at >= LAST then at, fraction = LAST, 0 end
  w[k], x[k], changed[k] = at, fraction, true
end

-- When the lease of a member ends; nil where it has.
local function ends(k, member)
  if x[k][member] ~= nil then return x[k][member] or nil end
  local score = tonumber(call('ZSCORE', KEYS[k], member) or nil)
  return score and score > now and score or nil
end

local function hold(k, id, cost)
  local member = format('%s:%d', id, cost)
  if not ends(k, member) then w[k] = w[k] + cost end
  x[k][member], changed[k] = now + lease, true
end

local function release(k, id, cost)
  local member = format('%s:%d', id, cost)
  if ends(k, member) then
    w[k], x[k][member], changed[k] = w[k] - cost, false, true
  end
end

-- Replaces an estimate by what was used. A refund belongs to the window that was charged; a later one owes it nothing.
local function settle(k, row, taken_at, give_or_take)
  local kind = kinds[k]
  if kind == 116 then
    local sign, by, fraction = rows[row], rows[row + 1], rows[row + 2]
    if sign > 0 and w[k] < now then w[k], x[k] = now, 0 end
    if sign > 0 or w[k] > 0 then move(k, w[k] + sign * by, x[k] + sign * fraction) end
    return
  end
  local refund, amount, window = rows[row] - rows[row + 1], rows[row + 2], rows[row + 3]
  if refund < 0 then
    count(kind, k, -refund, amount, window)
  elseif kind == 102 then
    local closes, spent = fixed(k, amount, window)
    if now < closes and taken_at >= closes - window then
      local idle = y[k]
      count_fixed(k, amount, window, closes, max(spent - refund, 0))
      y[k] = min(y[k], idle)
    end
  elseif kind == 115 then
    local begins, current, previous = sliding(k, amount, window)
    if taken_at >= begins then
      current = max(current - refund, 0)
    elseif taken_at >= begins - window then
      previous = max(previous - refund, 0)
    else
      return
    end
    local idle = z[k]
    count_sliding(k, amount, window, begins, current, previous)
    z[k] = min(z[k], idle)
  else
    local log = w[k]
    for i = #log - 1, 1, -2 do
      if log[i] <= taken_at and log[i] >= taken_at - give_or_take then
        log[i + 1] = max(log[i + 1] - refund, 0)
        if log[i + 1] == 0 then
          table.remove(log, i)
          table.remove(log, i)
        end
        x[k], changed[k] = #log > 0 and min(log[#log - 1] + window, LAST) or 0, true
        return
      end
    end
  end
end

local answer, n = { now }, 1
local p = 1
while bytes[p] do
  local request, lines, lease_id = bytes[p], bytes[p + 1], ARGV[5 + bytes[p + 2]]
  p = p + 3
  local taken_at, give_or_take, mark
  if request == 115 then -- s
    local row = bytes[p] * 4 - 3
    taken_at, give_or_take, mark = rows[row], rows[row + 1], bytes[p + 1]
    p = p + 2
  end
  local first, last = p, p + lines * 2 - 2
  p = last + 2
  local broken = mark and bad[mark] and mark
  for b = first, last, 2 do
    if bad[bytes[b]] then broken = bytes[b] end
  end

  if broken then
    answer[n + 1] = 2
    answer[n + 2] = 'the key ' .. KEYS[broken] .. ' holds something that is no account'
    n = n + 2
  elseif request == 116 or request == 108 then -- t, l
    n = n + 1
    local fits, place = true, n
    for b = first, last, 2 do
      local k, row = bytes[b], bytes[b + 1] * 4 - 3
      local kind, cost = kinds[k], rows[row]
      if kind == 116 then -- t
        local at, fraction = w[k], rows[row + 1]
        answer[n + 1], answer[n + 2] = at, x[k]
        n = n + 2
        if cost > 0 or fraction > 0 then
          local level, tolerance = cost, rows[row + 2]
          if at >= now then level, fraction = level + at - now, fraction + x[k] end
          if fraction >= FRACTION then level, fraction = level + 1, fraction - FRACTION end
          if level > tolerance or level == tolerance and fraction > rows[row + 3] then fits = false end
        end
      elseif kind == 102 then -- f
        answer[n + 1], answer[n + 2], answer[n + 3] = w[k], x[k], y[k]
        n = n + 3
        local amount = rows[row + 1]
        local _, spent = fixed(k, amount, rows[row + 2])
        if cost > 0 and spent + cost > amount then fits = false end
      elseif kind == 115 then -- s
        answer[n + 1], answer[n + 2], answer[n + 3], answer[n + 4] = w[k], x[k], y[k], z[k]
        n = n + 4
        local amount, window = rows[row + 1], rows[row + 2]
        local begins, current, previous = sliding(k, amount, window)
        local room, left = amount - current - cost, window - max(now - begins, 0)
        if cost > 0 and (room < 0 or previous > 0 and not at_most(previous, left, room, window)) then
          fits = false
        end
      elseif kind == 103 then -- g
        local log, window, spent = w[k], rows[row + 2], 0
        answer[n + 1] = #log / 2
        n = n + 1
        for i = 1, #log, 2 do
          if min(log[i] + window, x[k]) > now then spent = spent + log[i + 1] end
          answer[n + 1], answer[n + 2] = log[i], log[i + 1]
          n = n + 2
        end
        answer[n + 1] = x[k]
        n = n + 1
        if cost > 0 and spent + cost > rows[row + 1] then fits = false end
      else -- c
        answer[n + 1] = w[k]
        n = n + 1
        if cost > 0 and w[k] + cost > rows[row + 1] then fits = false end
      end
    end
    answer[place] = fits and 1 or 0
    if fits and request == 116 then
      for b = first, last, 2 do
        local k, row = bytes[b], bytes[b + 1] * 4 - 3
        local kind, cost = kinds[k], rows[row]
        if kind == 116 then
          local fraction = rows[row + 1]
          if cost > 0 or fraction > 0 then
            if w[k] < now then w[k], x[k] = now, 0 end
            move(k, w[k] + cost, x[k] + fraction)
          end
        elseif cost > 0 then
          if kind == 99 then
            hold(k, lease_id, cost)
          else
            count(kind, k, cost, rows[row + 1], rows[row + 2])
          end
        end
      end
    end
  elseif request == 114 then -- r
    n = n + 1
    answer[n] = 1
    for b = first, last, 2 do
      -- A lease that has ended while its holder went on holds its slots again: they are in use.
      hold(bytes[b], lease_id, rows[bytes[b + 1] * 4 - 3])
    end
  else -- s
    n = n + 1
    answer[n] = 1
    -- Settled before: this is the second try of somebody who was not told so.
    local settled = mark > 0 and w[mark] == 1
    if mark > 0 and not settled then w[mark], changed[mark] = 1, true end
    for b = first, last, 2 do
      local k, row = bytes[b], bytes[b + 1] * 4 - 3
      if kinds[k] == 99 then
        release(k, lease_id, rows[row])
      elseif not settled then
        settle(k, row, taken_at, give_or_take)
      end
    end
  end
end

-- Everything is decided; now it is written. A key goes when its account is idle, which is as good as none.
for k in pairs(changed) do
  local kind, key = kinds[k], KEYS[k]
  if kind == 99 then
    call('ZREMRANGEBYSCORE', key, '(0', now)
    for member, expiry in pairs(x[k]) do
      if expiry then
        call('ZADD', key, format('%d', expiry), member)
      else
        call('ZREM', key, member)
      end
    end
    if w[k] > 0 then
      call('ZADD', key, format('%d', -w[k]), 'held')
      local last = call('ZRANGE', key, -1, -1, 'WITHSCORES')
      call('PEXPIREAT', key, format('%d', ceil(tonumber(last[2]) / 1000)))
    else
      call('DEL', key)
    end
  elseif kind == 109 then
    call('SET', key, 1, 'PX', 60000)
  else
    local idle, text
    if kind == 116 then
      idle, text = w[k], format('%d', w[k])
      if x[k] > 0 then idle, text = idle + 1, format('%d %d', w[k], x[k]) end
    elseif kind == 102 then
      idle, text = y[k], format('%d %d %d', w[k], x[k], y[k])
    elseif kind == 115 then
      idle, text = z[k], format('%d %d %d %d', w[k], x[k], y[k], z[k])
    else
      idle, text = x[k], {}
      for i = 1, #w[k] do text[i] = format('%d', w[k][i]) end
      text[#text + 1] = format('%d', idle)
      text = table.concat(text, ' ')
    end
    if idle > now then
      call('SET', key, text, 'PXAT', format('%d', ceil(idle / 1000)))
    else
      call('DEL', key)
    end
  end
end
return answer
