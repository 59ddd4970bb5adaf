-- What is done with accounts: the engine's algorithms, by the numbers of their keys.

-- Moves the time at which a bucket is full.
local function move(k, at, fraction)
  if fraction >= FRACTION then at, fraction = at + 1, fraction - FRACTION end
  if fraction < 0 then at, fraction = at - 1, fraction + FRACTION end
  if at < 0 then at, fraction = 0, 0 end
  if at >= LAST then at, fraction = LAST, 0 end
  full_at[k], full_at_fraction[k], changed[k] = at, fraction, true
end

local standing, lend, take_back
if lent or ARGV[5]:find('[bg]') then
  -- The time at which a bucket is full, as it stands: no earlier than the chunks that are out let it be.
  function standing(k)
    local chunks = lent and lent[k]
    if chunks and full_at[k] < now + chunks.out then return now + chunks.out, 0 end
    return full_at[k], full_at_fraction[k]
  end

  -- Notes a chunk that was charged.
  function lend(k, id, worth, ends)
    if not lent then
      read_chunks, denying, write_chunks = chunk_functions()
      lent = {}
    end
    local chunks = lent[k] or { out = 0 }
    local place = #chunks + 1
    while place > 1 and chunks[place - 1][3] > ends do place = place - 1 end
    table.insert(chunks, place, { id, worth, ends })
    chunks.out = chunks.out + worth
    lent[k] = chunks
  end

  -- Takes back the rest of a chunk, if it is still out.
  function take_back(k, id, left, left_fraction, floor, floor_fraction)
    local chunks, place = lent and lent[k], nil
    for i = 1, chunks and #chunks or 0 do
      if chunks[i][1] == id then place = i end
    end
    if not place then return end
    local at, fraction = full_at[k], full_at_fraction[k]
    -- With others out, nobody knows how much was out when.
    if #chunks > 1 then floor, floor_fraction = now + chunks.out, 0 end
    if at < floor or at == floor and fraction < floor_fraction then at, fraction = floor, floor_fraction end
    chunks.out = chunks.out - chunks[place][2]
    table.remove(chunks, place)
    if not chunks[1] then lent[k] = nil end
    move(k, at - left, fraction - left_fraction)
  end
end

-- Functions cost time to make: only those that these kinds of keys need are made.
local at_most, fixed_window, sliding_window, put_fixed_window, put_sliding_window, charge
if ARGV[3]:find('[fsg]') then
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

  -- The end and the count of a fixed window as it stands now: what has ended is forgotten, what is owed is carried over.
  function fixed_window(k, amount, window)
    local ends, count = ends_at[k], window_count[k]
    if now >= idle_at[k] then return 0, 0 end
    if now < ends then return ends, count end
    local passed = floor((now - ends) / window) + 1
    count = max(count - amount * passed, 0)
    return ends + window * passed, count
  end

  -- The beginning and the counts of a sliding window as it stands now.
  function sliding_window(k, amount, window)
    local begins, current, previous = begins_at[k], current_count[k], previous_count[k]
    if now >= idle_at[k] then return 0, 0, 0 end
    local passed = floor(max(now - begins, 0) / window)
    if passed == 0 then return begins, current, previous end
    previous = min(max(current - amount * (passed - 1), 0), amount)
    current = max(current - amount * passed, 0)
    return begins + window * passed, current, previous
  end

  -- Puts a window back with another count.
  function put_fixed_window(k, amount, window, ends, count)
    local idle = 0
    if count > 0 then idle = min(ends + floor((count - 1) / max(amount, 1)) * window, LAST) end
    ends_at[k], window_count[k], idle_at[k], changed[k] = ends, count, idle, true
  end

  function put_sliding_window(k, amount, window, begins, current, previous)
    local idle = 0
    if current > 0 then
      idle = min(begins + (floor((current - 1) / max(amount, 1)) + 2) * window, LAST)
    elseif previous > 0 then
      idle = min(begins + window, LAST)
    end
    begins_at[k], current_count[k], previous_count[k] = begins, current, previous
    idle_at[k], changed[k] = idle, true
  end

  -- Charges a window or a log, whether it fits or not.
  function charge(kind, k, cost, amount, window)
    if kind == FIXED_WINDOW then
      local ends, count = fixed_window(k, amount, window)
      if count == 0 then ends = min(now + window, LAST) end
      put_fixed_window(k, amount, window, ends, min(count + cost, MOST))
    elseif kind == SLIDING_WINDOW then
      local begins, current, previous = sliding_window(k, amount, window)
      if current == 0 and previous == 0 then begins = now end
      put_sliding_window(k, amount, window, begins, min(current + cost, MOST), previous)
    else
      local old, log = logs[k], {}
      for i = 1, #old, 2 do
        if old[i] + window > now then log[#log + 1], log[#log + 2] = old[i], old[i + 1] end
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
      logs[k], idle_at[k], changed[k] = log, min(log[#log - 1] + window, LAST), true
    end
  end
end

local hold, renew, release
if ARGV[3]:find('c') then
  -- When the lease of a member ends; nil where it has.
  local function expiry_of(k, member)
    local expiry = members[k][member]
    if expiry ~= nil then return expiry or nil end
    local score = tonumber(call('ZSCORE', KEYS[k], member) or nil)
    return score and score > now and score or nil
  end

  function hold(k, id, cost)
    local member = format('%s:%d', id, cost)
    if not expiry_of(k, member) then held[k] = held[k] + cost end
    members[k][member], changed[k] = now + lease, true
  end

  -- A lease that has ended while its holder went on holds its slots again: they are in use. Not so one that was reset.
  function renew(k, id, cost, taken_at)
    if not expiry_of(k, format('%s:%d', id, cost)) then
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
    if expiry_of(k, member) then
      held[k], members[k][member], changed[k] = held[k] - cost, false, true
    end
  end
end

-- All that is settled but slots has a mark.
local settle
if ARGV[3]:find('m') then
  -- Replaces an estimate by what was used. A refund belongs to the window that was charged; a later one owes it nothing.
  function settle(k, row, taken_at, give_or_take)
    local kind = kinds[k]
    if kind == TOKEN_BUCKET then
      local sign, by, fraction = rows[row], rows[row + 1], rows[row + 2]
      if sign > 0 then
        if lent then full_at[k], full_at_fraction[k] = standing(k) end
        if full_at[k] < now then full_at[k], full_at_fraction[k] = now, 0 end
      end
      if sign > 0 or full_at[k] > 0 then
        move(k, full_at[k] + sign * by, full_at_fraction[k] + sign * fraction)
      end
      return
    end
    local estimate, actual, amount, window = rows[row], rows[row + 1], rows[row + 2], rows[row + 3]
    local refund = estimate - actual
    if refund < 0 then
      charge(kind, k, -refund, amount, window)
    elseif kind == FIXED_WINDOW then
      local ends, count = fixed_window(k, amount, window)
      if now < ends and taken_at >= ends - window then
        local idle = idle_at[k]
        put_fixed_window(k, amount, window, ends, max(count - refund, 0))
        idle_at[k] = min(idle_at[k], idle)
      end
    elseif kind == SLIDING_WINDOW then
      local begins, current, previous = sliding_window(k, amount, window)
      if taken_at >= begins then
        current = max(current - refund, 0)
      elseif taken_at >= begins - window then
        previous = max(previous - refund, 0)
      else
        return
      end
      local idle = idle_at[k]
      put_sliding_window(k, amount, window, begins, current, previous)
      idle_at[k] = min(idle_at[k], idle)
    else
      local log = logs[k]
      for i = #log - 1, 1, -2 do
        if log[i] <= taken_at and log[i] >= taken_at - give_or_take then
          log[i + 1] = max(log[i + 1] - refund, 0)
          if log[i + 1] == 0 then
            table.remove(log, i)
            table.remove(log, i)
          end
          idle_at[k], changed[k] = #log > 0 and min(log[#log - 1] + window, LAST) or 0, true
          return
        end
      end
    end
  end
end

