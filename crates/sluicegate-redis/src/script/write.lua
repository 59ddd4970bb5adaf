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
    local idle, text
    if kind == TOKEN_BUCKET then
      idle, text = full_at[k], format('%d', full_at[k])
      if full_at_fraction[k] > 0 then
        idle, text = idle + 1, format('%d %d', full_at[k], full_at_fraction[k])
      end
      if lent and lent[k] then
        local chunks
        chunks, idle = write_chunks(lent[k], idle)
        text = format('%d %d', full_at[k], full_at_fraction[k]) .. chunks
      end
    elseif kind == FIXED_WINDOW then
      idle, text = idle_at[k], format('%d %d %d', ends_at[k], window_count[k], idle_at[k])
    elseif kind == SLIDING_WINDOW then
      idle = idle_at[k]
      text = format('%d %d %d %d', begins_at[k], current_count[k], previous_count[k], idle)
    else
      local log = logs[k]
      idle, text = idle_at[k], {}
      for i = 1, #log do text[i] = format('%d', log[i]) end
      text[#text + 1] = format('%d', idle)
      text = table.concat(text, ' ')
    end
    if idle > now then
      -- Counted from the beginning of the millisecond in which this script began: hence one more. PSETEX takes two thirds
      -- of the time of SET with PXAT.
      call('PSETEX', key, format('%d', ceil((idle - real) / 1000) + 1), text)
    else
      call('DEL', key)
    end
  end
end
return answer
