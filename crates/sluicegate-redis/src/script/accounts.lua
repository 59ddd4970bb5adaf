-- What is done with accounts: the engine's algorithms, by the numbers of their keys.

-- Moves the time at which a bucket is full.
local function move(k, at, fraction)
  if fraction >= FRACTION then at, fraction = at + 1, fraction - FRACTION end
  if fraction < 0 then at, fraction = at - 1, fraction + FRACTION end
  if at < 0 then at, fraction = 0, 0 end
  if at >= LAST then at, fraction = LAST, 0 end
  w[k], x[k], changed[k] = at, fraction, true
end

-- Forgets an account.
local function reset(k)
  local kind = kinds[k]
  w[k], x[k], y[k], z[k], changed[k] = 0, 0, 0, 0, true
  if kind == 103 then w[k] = {} end
  if kind == 99 then
    -- At once, for what a later request of this batch holds is written beside the members that are there.
    x[k] = {}
    if call('DEL', KEYS[k]) > 0 then
      -- Whoever held slots may be elsewhere and not know: what was taken before is not to be renewed.
      call('ZADD', KEYS[k], '-inf', format('reset:%d', now))
      call('PEXPIREAT', KEYS[k], format('%d', ceil((now + lease) / 1000)))
    end
  end
end

local at_most, fixed, sliding, count_fixed, count_sliding, count, ends, hold, renew, release, settle
-- Functions cost time to make, and buckets alone, which is what most batches are about, need none of these.
if ARGV[3]:find('[^t]') then
  -- Whether a·b ≤ c·d, exactly: each product as its rounded value and what rounding lost (Dekker, 1971).
  function at_most(a, b, c, d)
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
  function fixed(k, amount, window)
    local ends, count = w[k], x[k]
    if now >= y[k] then return 0, 0 end
    if now < ends then return ends, count end
    local passed = floor((now - ends) / window) + 1
    count = max(count - amount * passed, 0)
    return ends + window * passed, count
  end

  function sliding(k, amount, window)
    local begins, current, previous = w[k], x[k], y[k]
    if now >= z[k] then return 0, 0, 0 end
    local passed = floor(max(now - begins, 0) / window)
    if passed == 0 then return begins, current, previous end
    previous = min(max(current - amount * (passed - 1), 0), amount)
    current = max(current - amount * passed, 0)
    return begins + window * passed, current, previous
  end

  -- Puts a counter back with another count.
  function count_fixed(k, amount, window, ends, count)
    local idle = 0
    if count > 0 then idle = min(ends + floor((count - 1) / max(amount, 1)) * window, LAST) end
    w[k], x[k], y[k], changed[k] = ends, count, idle, true
  end

  function count_sliding(k, amount, window, begins, current, previous)
    local idle = 0
    if current > 0 then
      idle = min(begins + (floor((current - 1) / max(amount, 1)) + 2) * window, LAST)
    elseif previous > 0 then
      idle = min(begins + window, LAST)
    end
    w[k], x[k], y[k], z[k], changed[k] = begins, current, previous, idle, true
  end

  -- Charges a counter or a log, whether it fits or not.
  function count(kind, k, cost, amount, window)
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

  -- When the lease of a member ends; nil where it has.
  function ends(k, member)
    if x[k][member] ~= nil then return x[k][member] or nil end
    local score = tonumber(call('ZSCORE', KEYS[k], member) or nil)
    return score and score > now and score or nil
  end

  function hold(k, id, cost)
    local member = format('%s:%d', id, cost)
    if not ends(k, member) then w[k] = w[k] + cost end
    x[k][member], changed[k] = now + lease, true
  end

  -- A lease that has ended while its holder went on holds its slots again: they are in use. Not so one that was reset.
  function renew(k, id, cost, taken_at)
    if not ends(k, format('%s:%d', id, cost)) then
      local mark = call('ZRANGEBYSCORE', KEYS[k], '-inf', '-inf')[1]
      if mark and taken_at <= tonumber(mark:match('%d+')) then
        -- The mark stays for as long as somebody asks.
        call('PEXPIREAT', KEYS[k], format('%d', ceil((now + lease) / 1000)))
        return
      end
    end
    hold(k, id, cost)
  end

  function release(k, id, cost)
    local member = format('%s:%d', id, cost)
    if ends(k, member) then
      w[k], x[k][member], changed[k] = w[k] - cost, false, true
    end
  end

  -- Replaces an estimate by what was used. A refund belongs to the window that was charged; a later one owes it nothing.
  function settle(k, row, taken_at, give_or_take)
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
end

