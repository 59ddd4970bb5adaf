-- The time of a call, and the life of keys.
--
-- A key goes by itself when its account is idle, which is as good as none. To set an expiry is half of the work of a write.
-- So a key whose expiry is late enough keeps it, and its text is replaced in place. For that, a bucket's key is kept a little
-- longer: to the end of the span of the server's clock in which the bucket is full. A window's is kept until it is idle.
--
-- A text that begins with a zero promises that its key has this expiry, or a later one. Versions that do not know the zero
-- read the same number. They write none, so what they write gets a new expiry here.

-- In microseconds.
local SPAN = 4000000

-- Returns the time of the decision, the time from which expiries count, and whether that is the server's clock, by which
-- zeros promise.
local function times(time, least)
  -- Once: it runs on while a script does.
  local real = time[1] * 1000000 + time[2]
  local now = tonumber(least)
  if not now then return tonumber(least:sub(2)), real, true end
  if now <= real then return real, real, true end
  -- This clock was set back, or is another server's: time goes on. Far behind, it would keep keys for too long.
  if now - real <= SPAN then return now, real, true end
  return now, now, false
end

