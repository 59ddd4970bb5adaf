-- Everything is decided; now it is written. A key goes when its account is idle, which is as good as none.
for k in pairs(changed) do
  local kind, key = kinds[k], KEYS[k]
  if kind == SLOTS then
    call('ZREMRANGEBYSCORE', key, '(0', now)
    for member, expiry in pairs(members[k]) do
      if expiry then
        call('ZADD', key, format('%d', expiry), member)
      else
        call('ZREM', key, member)
      end
    end
    if held[k] > 0 then
      call('ZADD', key, format('%d', -held[k]), 'held')
      local last = call('ZRANGE', key, -1, -1, 'WITHSCORES')
      call('PEXPIREAT', key, format('%d', ceil(tonumber(last[2]) / 1000)))
    else
      -- All but the mark of a reset.
      call('ZREMRANGEBYSCORE', key, '(-inf', '+inf')
    end
  elseif kind == MARK then
    call('PSETEX', key, 60000, 1)
  else
    -- When the account is idle, and when its key goes.
    local idle, ends, text
    if kind == TOKEN_BUCKET then
      local at, fraction = full_at[k], full_at_fraction[k]
      idle = fraction > 0 and at + 1 or at
      if lent and lent[k] then
        local chunks
        chunks, idle = write_chunks(lent[k], idle)
        text = format('%d %d', at, fraction) .. chunks
      elseif not spanned then
        text = fraction > 0 and format('%d %d', at, fraction) or format('%d', at)
      else
        ends = at - at % SPAN + SPAN
        text = fraction > 0 and format('0%d %05d', at, fraction) or format('0%d', at)
      end
    elseif kind == FIXED_WINDOW then
      idle = idle_at[k]
      ends = spanned and idle
      text = format(ends and '0%d %d %d' or '%d %d %d', ends_at[k], window_count[k], idle)
    elseif kind == SLIDING_WINDOW then
      idle = idle_at[k]
      ends = spanned and idle
      text = format(
        ends and '0%d %d %d %d' or '%d %d %d %d', begins_at[k], current_count[k], previous_count[k], idle)
    else
      local log = logs[k]
      idle, text = idle_at[k], {}
      for i = 1, #log do text[i] = format('%d', log[i]) end
      text[#text + 1] = format('%d', idle)
      text = table.concat(text, ' ')
    end
    if idle <= now then
      call('DEL', key)
    -- A text that is shorter than the one that it replaces would leave the end of that one. A user who may not do this can
    -- still do all else.
    elseif not (ends and kept_to[k] and ends <= kept_to[k] and #text >= #kept[k]
        and redis.pcall('SETRANGE', key, '0', text) == #text) then
      -- Counted from the beginning of the millisecond in which this script began: hence one more. PSETEX takes two thirds
      -- of the time of SET with PXAT.
      call('PSETEX', key, format('%d', ceil(((ends or idle) - real) / 1000) + 1), text)
    end
  end
end
return answer
