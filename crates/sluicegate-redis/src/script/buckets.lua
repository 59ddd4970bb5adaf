-- Takes of token buckets, each all or none, in the order in which they came: what is asked most. It decides as the script of
-- batches does, with four fifths of the instructions.
--
-- KEYS      the accounts, each once
-- ARGV[1]   the time, as for a batch
-- ARGV[2]   rows of worth, its fraction, tolerance, its fraction, as doubles, each row once
-- ARGV[3]   the takes, in bytes: how many lines, and of each line its key and a row
--
-- It answers with doubles in one text: the time, and for each take 1 or 0 and its accounts as they stood before it. If a
-- key holds something else, it answers as the script of batches does.

local FRACTION = 16000
local LAST = 2730758304606846
local DENIED, DONE, FOREIGN = 0, 1, 2
-- The lengths of texts that begin with a zero, without and with a fraction; no others are as long.
local SHORT, LONG = 17, 23
local KEYS, ARGV, call, pcall, format = KEYS, ARGV, redis.call, redis.pcall, string.format

local now, real, spanned = times(call('TIME'), ARGV[1])
local rows = ARGV[2]
rows = { struct.unpack(#rows == 32 and '<dddd' or '<' .. ('d'):rep(#rows / 8), rows) }
local bytes = { ARGV[3]:byte(1, -1) }

-- Of each account: what it was, what it will be, and how long its text is. Tables that begin at their full size are not
-- copied while they grow.
local was, full_at, lengths = call('MGET', unpack(KEYS)), { unpack(KEYS) }, { unpack(KEYS) }
local full_at_fraction = {} -- nil where it is 0
local lent, read_chunks, denying, write_chunks
local absent, foreign
for k = 1, #KEYS do
  local text = was[k]
  local at, length = 0, 0
  if text then
    at, length = tonumber(text), #text
    if not at then
      local fraction, chunks
      at, fraction, chunks = text:match('^(%d+) (%d+)([ %x]*)$')
      at, fraction = tonumber(at), tonumber(fraction)
      if not at then
        foreign = foreign or {}
        foreign[k], at, fraction = true, 0, 0
      elseif chunks ~= '' then
        if not lent then
          read_chunks, denying, write_chunks = chunk_functions()
          lent = {}
        end
        at, fraction, lent[k] = read_chunks(at, fraction, chunks, now)
      end
      if fraction > 0 then full_at_fraction[k] = fraction end
    end
  else
    absent = absent or {}
    absent[#absent + 1] = KEYS[k]
  end
  was[k], full_at[k], lengths[k] = at, at, length
end
-- MGET finds nothing in a key of another type, and a write would replace it.
if absent and call('EXISTS', unpack(absent)) > 0 then
  for k = 1, #KEYS do
    if lengths[k] == 0 and call('EXISTS', KEYS[k]) > 0 then
      foreign = foreign or {}
      foreign[k] = true
    end
  end
end

-- Every take in turn: those that come later find what the earlier ones left. Its answer is written over its bytes.
local n, next_byte = #bytes, 1
local keys, next_at, next_fraction, changed = {}, {}, {}, {}
local texts
while next_byte <= n do
  local place, lines, fits, broken = next_byte, bytes[next_byte], true, nil
  next_byte = next_byte + 1
  for line = 1, lines do
    local k, row = bytes[next_byte], bytes[next_byte + 1] * 4 - 3
    local at, fraction = full_at[k], full_at_fraction[k] or 0
    local chunks = lent and lent[k]
    if chunks and at < now + chunks.out then at, fraction = now + chunks.out, 0 end
    if foreign and foreign[k] then broken = k end
    bytes[next_byte], bytes[next_byte + 1] = at, fraction
    local worth, worth_fraction = rows[row], rows[row + 1]
    if worth > 0 or worth_fraction > 0 then
      local tolerance, before, before_fraction = rows[row + 2], at, fraction
      if at < now then at, fraction = now, 0 end
      at, fraction = at + worth, fraction + worth_fraction
      if fraction >= FRACTION then at, fraction = at + 1, fraction - FRACTION end
      local level = at - now
      if level > tolerance or level == tolerance and fraction > rows[row + 3] then
        fits = false
        -- What never fits waits for nothing.
        if chunks and worth <= tolerance then
          bytes[next_byte], bytes[next_byte + 1] = denying(
            before, before_fraction, chunks, worth, worth_fraction, tolerance, rows[row + 3])
        end
      end
      if at >= LAST then at, fraction = LAST, 0 end
      keys[line], next_at[line], next_fraction[line] = k, at, fraction
    else
      keys[line] = false
    end
    next_byte = next_byte + 2
  end
  if broken then
    texts = texts or {}
    texts[place], bytes[place] = 'the key ' .. KEYS[broken] .. ' holds something that is no account', FOREIGN
  elseif not fits then
    bytes[place] = DENIED
  else
    bytes[place] = DONE
    for line = 1, lines do
      local k, fraction = keys[line], next_fraction[line]
      if k then
        full_at[k], changed[k] = next_at[line], true
        -- In this Lua, to write nil is to make a place for it.
        if fraction > 0 then
          full_at_fraction[k] = fraction
        elseif full_at_fraction[k] then
          full_at_fraction[k] = nil
        end
      end
    end
  end
end

-- Everything is decided; now it is written.
for k = 1, #KEYS do
  if changed[k] then
    local key, at, fraction, length = KEYS[k], full_at[k], full_at_fraction[k], lengths[k]
    if lent and lent[k] then
      local chunks, idle = write_chunks(lent[k], fraction and at + 1 or at)
      local text = format('%d %d', at, fraction or 0) .. chunks
      call('PSETEX', key, format('%d', math.ceil((idle - real) / 1000) + 1), text)
    elseif not spanned then
      local idle, text = at, nil
      if fraction then idle, text = at + 1, format('%d %d', at, fraction) else text = format('%d', at) end
      call('PSETEX', key, format('%d', math.ceil((idle - real) / 1000) + 1), text)
    else
      local ends, text = at - at % SPAN + SPAN, nil
      -- As long as the one that it replaces, or longer.
      if fraction or length == LONG then
        text = format('0%d %05d', at, fraction or 0)
      else
        text = format('0%d', at)
      end
      -- A user who may not do this can still do all else.
      if not ((length == SHORT or length == LONG) and ends <= was[k] - was[k] % SPAN + SPAN
          and pcall('SETRANGE', key, '0', text) == #text) then
        call('PSETEX', key, format('%d', math.ceil((ends - real) / 1000) + 1), text)
      end
    end
  end
end

if texts then
  local answer, place = { now }, 1
  while place <= n do
    answer[#answer + 1] = bytes[place]
    local last = place + 2 * ARGV[3]:byte(place)
    if texts[place] then
      answer[#answer + 1] = texts[place]
    else
      for i = place + 1, last do answer[#answer + 1] = bytes[i] end
    end
    place = last + 1
  end
  return answer
end
return struct.pack('<' .. ('d'):rep(n + 1), now, unpack(bytes))
