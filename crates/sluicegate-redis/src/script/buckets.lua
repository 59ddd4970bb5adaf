-- One take of token buckets, all or none: what is asked most where few ask at a time. It decides and answers as the
-- script of batches does, which takes twice as long to read what it is asked.
--
-- KEYS      the accounts
-- ARGV[1]   the time, as for a batch
-- ARGV[2..] of each account: worth, its fraction, tolerance, its fraction

local FRACTION = 16000
local LAST = 2730758304606846
local DENIED, DONE, FOREIGN = 0, 1, 2
local KEYS, ARGV, call, format = KEYS, ARGV, redis.call, string.format

local time = call('TIME')
local real = time[1] * 1000000 + time[2]
local now, least = real, tonumber(ARGV[1])
if not least then
  now = tonumber(ARGV[1]:sub(2))
elseif least > real then
  now, real = least, least
end
local kept = call('MGET', unpack(KEYS))
local answer, fits = { now, DONE, 0, 0 }, true
-- Of each account as it will be.
local full_at, full_at_fraction = {}, {}
local lent, read_chunks, denying, write_chunks
for k = 1, #KEYS do
  local at, fraction = 0, 0
  if kept[k] then
    at = tonumber(kept[k])
    if not at then
      local chunks
      at, fraction, chunks = kept[k]:match('^(%d+) (%d+)([ %x]*)$')
      at, fraction = tonumber(at), tonumber(fraction)
      if at and chunks ~= '' then
        if not lent then
          read_chunks, denying, write_chunks = chunk_functions()
          lent = {}
        end
        at, fraction, lent[k] = read_chunks(at, fraction, chunks, now)
        if lent[k] and at < now + lent[k].out then at, fraction = now + lent[k].out, 0 end
      end
    end
  elseif call('EXISTS', KEYS[k]) > 0 then
    at = nil
  end
  if not at then return { now, FOREIGN, 'the key ' .. KEYS[k] .. ' holds something that is no account' } end
  answer[2 * k + 1], answer[2 * k + 2] = at, fraction

  local worth, worth_fraction = tonumber(ARGV[4 * k - 2]), tonumber(ARGV[4 * k - 1])
  if worth > 0 or worth_fraction > 0 then
    if at < now then at, fraction = now, 0 end
    at, fraction = at + worth, fraction + worth_fraction
    if fraction >= FRACTION then at, fraction = at + 1, fraction - FRACTION end
    local level, tolerance = at - now, tonumber(ARGV[4 * k])
    if level > tolerance or level == tolerance and fraction > tonumber(ARGV[4 * k + 1]) then
      fits = false
      if lent and lent[k] and worth <= tolerance then
        answer[2 * k + 1], answer[2 * k + 2] = denying(
          answer[2 * k + 1], answer[2 * k + 2], lent[k], worth, worth_fraction, tolerance, tonumber(ARGV[4 * k + 1]))
      end
    end
    if at >= LAST then at, fraction = LAST, 0 end
    full_at[k], full_at_fraction[k] = at, fraction
  end
end
if not fits then
  answer[2] = DENIED
  return answer
end
for k = 1, #KEYS do
  local at, fraction = full_at[k], full_at_fraction[k]
  if at then
    local idle, text = at, format('%d', at)
    if fraction > 0 then idle, text = at + 1, format('%d %d', at, fraction) end
    if lent and lent[k] then
      local chunks
      chunks, idle = write_chunks(lent[k], idle)
      text = format('%d %d', at, fraction) .. chunks
    end
    call('PSETEX', KEYS[k], format('%d', math.ceil((idle - real) / 1000) + 1), text)
  end
end
return answer
