-- The books: takes, settles and renews what one batch of requests asks, in the order in which they came.
--
-- KEYS      the accounts, and the marks of settlements, each once
-- ARGV[1]   the least that the time is by now, in microseconds since 1970; or `=` and a test's own time
-- ARGV[2]   how long a lease lasts, in microseconds
-- ARGV[3]   one letter for each key: t token bucket, f fixed window, s sliding window, g sliding log,
--           c slots of a concurrent limit, m the mark of a settlement
-- ARGV[4]   rows of four numbers, as doubles, each row once: most requests of a batch want the same
-- ARGV[5]   the requests, in bytes: a letter, how many lines, which of the leases (0: none), for `s` also a row and a
--           mark's key (0: none); and of each line its key and a row
-- ARGV[6..] the leases
--
--           t take, l look    row of t: worth, its fraction, tolerance, its fraction
--                             row of f s g: cost, amount, window    of c: cost, amount
--           s settle          its own row: when it was taken, give or take
--                             row of t: 1 or -1, difference, its fraction
--                             row of f s g: estimate, actual, amount, window    of c: cost
--           r renew           row of c: cost, when it was taken    of g, the mark of the time: how long it is kept
--           d reset           any row
--
-- It answers with one list of integers: the time, and for each request 1 (done), 0 (denied) or 2 and a text (the keys
-- hold something else). A take or look that was answered 1 or 0 is followed by its accounts as they stood before it.
--
-- All numbers are integers below 2^53, which doubles hold exactly. Times are whole microseconds; those of token buckets
-- have a fraction in 1/16000 of one, so that they are as fine as the engine's ticks. What decides here is the
-- engine's `accounts`, line by line; whatever else is told of an account is worked out there.

local FRACTION = 16000
local LAST = 2730758304606846 -- the end of the engine's clock
local MOST = 9007199254740992
local floor, ceil, min, max, call, format = math.floor, math.ceil, math.min, math.max, redis.call, string.format

-- Once: it runs on while a script does.
local time = call('TIME')
local real = time[1] * 1000000 + time[2]
local now, least = real, tonumber(ARGV[1])
if not least then
  now = tonumber(ARGV[1]:sub(2))
elseif least > real then
  -- This clock was set back, or is another server's: time goes on.
  now, real = least, least
end
local lease = tonumber(ARGV[2])
local kinds = { ARGV[3]:byte(1, -1) }
local rows = { struct.unpack('<' .. ('d'):rep(#ARGV[4] / 8), ARGV[4]) }
local bytes = { ARGV[5]:byte(1, -1) }

-- The accounts, in up to four numbers each, by the numbers of their keys.
--   t: full at, fraction    f: ends, count, idle at    s: begins, current, previous, idle at
--   g: {at, cost, …}, idle at    c: held, {member = expiry, or false where it is to go}    m: whether it is there
local w, x, y, z, changed, bad = {}, {}, {}, {}, {}, {}

local kept = call('MGET', unpack(KEYS))
local absent
for k = 1, #KEYS do
  local kind, text = kinds[k], kept[k]
  w[k], x[k] = 0, 0
  if kind == 99 then -- c
    local held = redis.pcall('ZSCORE', KEYS[k], 'held')
    if type(held) == 'table' and held.err then
      bad[k] = true
    elseif held then
      w[k] = -held
      for _, member in ipairs(call('ZRANGEBYSCORE', KEYS[k], '(0', now)) do
        w[k] = w[k] - member:match(':(%d+)$')
        changed[k] = true
      end
    end
    x[k] = {}
  elseif not text then
    if kind == 103 then w[k] = {} end
    y[k], z[k] = 0, 0
    absent = absent or {}
    absent[#absent + 1] = KEYS[k]
  elseif kind == 109 then -- m
    w[k] = 1
  elseif kind == 116 then -- t
    w[k] = tonumber(text)
    if not w[k] then
      local at, fraction = text:match('^(%d+) (%d+)$')
      w[k], x[k] = tonumber(at), tonumber(fraction)
      bad[k] = not x[k]
    end
  elseif kind == 102 then -- f
    local ends, count, idle = text:match('^(%d+) (%d+) (%d+)$')
    w[k], x[k], y[k] = tonumber(ends), tonumber(count), tonumber(idle)
    bad[k] = not y[k]
  elseif kind == 115 then -- s
    local begins, current, previous, idle = text:match('^(%d+) (%d+) (%d+) (%d+)$')
    w[k], x[k], y[k], z[k] = tonumber(begins), tonumber(current), tonumber(previous), tonumber(idle)
    bad[k] = not z[k]
  else -- g
    local log = {}
    for number in text:gmatch('%d+') do log[#log + 1] = tonumber(number) end
    w[k], x[k] = log, table.remove(log)
    bad[k] = not text:match('^[%d ]+$') or #log % 2 == 1
  end
end
-- MGET finds nothing in a key of another type, and SET would write over it.
if absent and call('EXISTS', unpack(absent)) > 0 then
  for k = 1, #KEYS do
    if kinds[k] ~= 99 and not kept[k] and call('EXISTS', KEYS[k]) > 0 then bad[k] = true end
  end
end

