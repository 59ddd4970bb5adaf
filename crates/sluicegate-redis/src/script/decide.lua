-- Every request in turn: those that come later find what the earlier ones left.
-- As large as the shortest that there is; what is left over is not looked at.
local answer, n = { now, 0, 0, 0 }, 1
local next_byte, any_foreign = 1, next(foreign)
while bytes[next_byte] do
  local request, lines, lease_id = bytes[next_byte], bytes[next_byte + 1], ARGV[5 + bytes[next_byte + 2]]
  next_byte = next_byte + 3
  local taken_at, give_or_take, mark
  if request == SETTLE or request == LEND or request == GIVE_BACK then
    local row = bytes[next_byte] * 4 - 3
    taken_at, give_or_take, mark = rows[row], rows[row + 1], bytes[next_byte + 1]
    next_byte = next_byte + 2
  end
  -- Of each line two bytes: its key and its row.
  local first, last = next_byte, next_byte + lines * 2 - 2
  next_byte = last + 2
  local broken
  if any_foreign then
    broken = mark and foreign[mark] and mark
    for line = first, last, 2 do
      if foreign[bytes[line]] then broken = bytes[line] end
    end
  end

  if broken then
    answer[n + 1] = FOREIGN
    answer[n + 2] = 'the key ' .. KEYS[broken] .. ' holds something that is no account'
    n = n + 2
  elseif request == TAKE or request == LOOK or request == LEND then
    n = n + 1
    local fits, place = true, n
    for line = first, last, 2 do
      local k, row = bytes[line], bytes[line + 1] * 4 - 3
      local kind = kinds[k]
      if kind == TOKEN_BUCKET then
        local worth, fraction = rows[row], rows[row + 1]
        local at, at_fraction = full_at[k], full_at_fraction[k]
        if lent then at, at_fraction = standing(k) end
        answer[n + 1], answer[n + 2] = at, at_fraction
        n = n + 2
        if worth > 0 or fraction > 0 then
          local level, tolerance = worth, rows[row + 2]
          if at >= now then level, fraction = level + at - now, fraction + at_fraction end
          if fraction >= FRACTION then level, fraction = level + 1, fraction - FRACTION end
          if level > tolerance or level == tolerance and fraction > rows[row + 3] then
            fits = false
            -- What never fits waits for nothing.
            if lent and lent[k] and worth <= tolerance then
              answer[n - 1], answer[n] = denying(
                at, at_fraction, lent[k], worth, rows[row + 1], tolerance, rows[row + 3])
            end
          end
        end
      elseif kind == SLOTS then
        local cost, amount, count = rows[row], rows[row + 1], held[k]
        n = n + 1
        answer[n] = count
        if cost > 0 and count + cost > amount then fits = false end
      else
        local cost, amount, window = rows[row], rows[row + 1], rows[row + 2]
        if kind == FIXED_WINDOW then
          answer[n + 1], answer[n + 2], answer[n + 3] = ends_at[k], window_count[k], idle_at[k]
          n = n + 3
          local _, count = fixed_window(k, amount, window)
          if cost > 0 and count + cost > amount then fits = false end
        elseif kind == SLIDING_WINDOW then
          answer[n + 1], answer[n + 2] = begins_at[k], current_count[k]
          answer[n + 3], answer[n + 4] = previous_count[k], idle_at[k]
          n = n + 4
          local begins, current, previous = sliding_window(k, amount, window)
          local room, left = amount - current - cost, window - max(now - begins, 0)
          if cost > 0 and (room < 0 or previous > 0 and not at_most(previous, left, room, window)) then
            fits = false
          end
        else
          local log, idle, count = logs[k], idle_at[k], 0
          n = n + 1
          answer[n] = #log / 2
          for i = 1, #log, 2 do
            if min(log[i] + window, idle) > now then count = count + log[i + 1] end
            answer[n + 1], answer[n + 2] = log[i], log[i + 1]
            n = n + 2
          end
          n = n + 1
          answer[n] = idle
          if cost > 0 and count + cost > amount then fits = false end
        end
      end
    end
    answer[place] = fits and DONE or DENIED
    if fits and request ~= LOOK then
      for line = first, last, 2 do
        local k, row = bytes[line], bytes[line + 1] * 4 - 3
        local kind, cost = kinds[k], rows[row]
        if kind == TOKEN_BUCKET then
          local worth, fraction = cost, rows[row + 1]
          if worth > 0 or fraction > 0 then
            local at, at_fraction = full_at[k], full_at_fraction[k]
            if lent then at, at_fraction = standing(k) end
            if at < now then at, at_fraction = now, 0 end
            move(k, at + worth, at_fraction + fraction)
            if request == LEND then lend(k, lease_id, fraction > 0 and worth + 1 or worth, now + taken_at) end
          end
        elseif cost > 0 then
          if kind == SLOTS then
            hold(k, lease_id, cost)
          else
            charge(kind, k, cost, rows[row + 1], rows[row + 2])
          end
        end
      end
    end
  elseif request == GIVE_BACK then
    n = n + 1
    answer[n] = DONE
    local k, row = bytes[first], bytes[first + 1] * 4 - 3
    take_back(k, lease_id, rows[row], rows[row + 1], taken_at, give_or_take)
  elseif request == RENEW then
    n = n + 1
    answer[n] = DONE
    for line = first, last, 2 do
      local k, row = bytes[line], bytes[line + 1] * 4 - 3
      if kinds[k] == SLOTS then
        renew(k, lease_id, rows[row], rows[row + 1])
      elseif (logs[k][1] or 0) < now then
        logs[k], idle_at[k], changed[k] = { now, 1 }, now + rows[row], true
      end
    end
  elseif request == RESET then
    n = n + 1
    answer[n] = DONE
    for line = first, last, 2 do
      local k = bytes[line]
      local kind = kinds[k]
      changed[k] = true
      if kind == TOKEN_BUCKET then
        full_at[k], full_at_fraction[k] = 0, 0
      elseif kind == SLOTS then
        held[k], members[k] = 0, {}
        -- At once, for what a later request of this batch holds is written beside the members that are there.
        if call('DEL', KEYS[k]) > 0 then
          -- Whoever held slots may be elsewhere and not know: what was taken before is not to be renewed.
          call('ZADD', KEYS[k], '-inf', format('reset:%d', now))
          call('PEXPIREAT', KEYS[k], format('%d', ceil((now + lease) / 1000)))
        end
      else
        -- An idle window is as good as none.
        idle_at[k] = 0
        if kind == SLIDING_LOG then logs[k] = {} end
      end
    end
  else
    n = n + 1
    answer[n] = DONE
    -- Settled before: this is the second try of somebody who was not told so.
    local again = mark > 0 and settled[mark]
    if mark > 0 and not again then settled[mark], changed[mark] = true, true end
    for line = first, last, 2 do
      local k, row = bytes[line], bytes[line + 1] * 4 - 3
      if kinds[k] == SLOTS then
        release(k, lease_id, rows[row])
      elseif not again then
        settle(k, row, taken_at, give_or_take)
      end
    end
  end
end

