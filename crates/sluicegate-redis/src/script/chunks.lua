-- Chunks of token buckets that are out. A bucket is never fuller than its burst less all of them: it is full no earlier
-- than now and their worth.
--
-- A bucket that has lent chunks is kept as `at fraction`, and for each chunk ` lease worth end`, in the order of their
-- ends; times and worths are microseconds, worths rounded up.

-- The functions for chunks. Functions cost time to make, and few calls meet a chunk; one that names no variable around it
-- costs least.
local function chunk_functions()
  -- Reads the chunks after a bucket's time, and forgets those that have ended: the bucket has earned nothing back that they
  -- held to their end. Returns the bucket and the chunks that are out, if any.
  local function read_chunks(at, fraction, text, now)
    local chunks, out = {}, 0
    for id, worth, ends in text:gmatch(' (%x+) (%d+) (%d+)') do
      chunks[#chunks + 1] = { id, tonumber(worth), tonumber(ends) }
      out = out + worth
    end
    while chunks[1] and chunks[1][3] <= now do
      local least = chunks[1][3] + out
      if at < least then at, fraction = least, 0 end
      out = out - chunks[1][2]
      table.remove(chunks, 1)
    end
    chunks.out = out
    return at, fraction, chunks[1] and chunks
  end

  -- The bucket as it stands for a charge that it denies: full as late as makes the wait exact.
  local function denying(at, fraction, chunks, worth, worth_fraction, tolerance, tolerance_fraction)
    local out, rest = chunks.out, worth_fraction - tolerance_fraction
    for i = 1, #chunks do
      local _, lent, ends = unpack(chunks[i])
      local fits = (out + worth - tolerance) * 16000 + rest <= 0
      if fits and (at + worth - tolerance - ends) * 16000 + fraction + rest <= 0 then break end
      if at < ends + out then at, fraction = ends + out, 0 end
      out = out - lent
    end
    return at, fraction
  end

  -- The chunks as they are kept, and when the bucket is full.
  local function write_chunks(chunks, full_at)
    local text, out = {}, chunks.out
    for i = 1, #chunks do
      local id, worth, ends = unpack(chunks[i])
      text[i] = string.format(' %s %d %d', id, worth, ends)
      full_at = math.max(full_at, ends + out)
      out = out - worth
    end
    return table.concat(text), full_at
  end

  return read_chunks, denying, write_chunks
end

