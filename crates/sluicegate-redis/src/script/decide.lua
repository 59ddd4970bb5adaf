-- Every request in turn: those that come later find what the earlier ones left.
-- As large as the shortest that there is; what is left over is not looked at.
local answer, n = { now, 0, 0, 0 }, 1
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
      local k, row = bytes[b], bytes[b + 1] * 4 - 3
      if kinds[k] == 99 then
        renew(k, lease_id, rows[row], rows[row + 1])
      elseif (w[k][1] or 0) < now then
        w[k], x[k], changed[k] = { now, 1 }, now + rows[row], true
      end
    end
  elseif request == 100 then -- d
    n = n + 1
    answer[n] = 1
    for b = first, last, 2 do
      reset(bytes[b])
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

