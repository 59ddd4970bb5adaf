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
      -- All but the mark of a reset.
      call('ZREMRANGEBYSCORE', key, '(-inf', '+inf')
    end
  elseif kind == 109 then
    call('PSETEX', key, 60000, 1)
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
      -- Counted from the beginning of the millisecond in which this script began: hence one more. PSETEX takes two thirds
      -- of the time of SET with PXAT.
      call('PSETEX', key, format('%d', ceil((idle - real) / 1000) + 1), text)
    else
      call('DEL', key)
    end
  end
end
return answer
