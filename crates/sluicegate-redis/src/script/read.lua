-- A batch: takes, settles and renews what requests ask, in the order in which they came.
--
-- KEYS      the accounts, and the marks of settlements, each once
-- ARGV[1]   the least that the time is by now, in microseconds since 1970; or `=` and a test's own time
-- ARGV[2]   how long a lease lasts, in microseconds
-- ARGV[3]   one letter for each key: t token bucket, f fixed window, s sliding window, g sliding log,
--           c slots of a concurrent limit, m the mark of a settlement
-- ARGV[4]   rows of four numbers, as doubles, each row once: most requests of a batch want the same
-- ARGV[5]   the requests, in bytes: a letter, how many lines, which of the leases (0: none), for `s`, `b` and `g` also a
--           row and a mark's key (0: none); and of each line its key and a row
-- ARGV[6..] the leases
--
--           t take, l look    row of t: worth, its fraction, tolerance, its fraction
--                             row of f s g: cost, amount, window    of c: cost, amount
--           s settle          its own row: when it was taken, give or take
--                             row of t: 1 or -1, difference, its fraction
--                             row of f s g: estimate, actual, amount, window    of c: cost
--           b lend a chunk    its own row: its life    row as for a take
--           g give one back   its own row: the latest that it made its bucket full at, and a fraction
--                             row of t: what was not spent, its fraction
--           r renew           row of c: cost, when it was taken    of g, the mark of the time: how long it is kept
--           d reset           any row
--
-- It answers with one list of integers: the time, and for each request 1 (done), 0 (denied) or 2 and a text (the keys
-- hold something else). A take, loan or look that was answered 1 or 0 is followed by its accounts as they stood before it.
--
-- All numbers are integers below 2^53, which doubles hold exactly. Times are whole microseconds; those of token buckets
-- have a fraction in 1/16000 of one, so that they are as fine as the engine's ticks. What decides here is the
-- engine's `accounts`, line by line; whatever else is told of an account is worked out there.

local FRACTION = 16000
local LAST = 2730758304606846 -- the end of the engine's clock
local MOST = 9007199254740992
-- The letters of ARGV[3] and ARGV[5].
local TOKEN_BUCKET, FIXED_WINDOW, SLIDING_WINDOW, SLIDING_LOG, SLOTS, MARK = ('tfsgcm'):byte(1, -1)
local TAKE, LOOK, SETTLE, RENEW, RESET, LEND, GIVE_BACK = ('tlsrdbg'):byte(1, -1)
local DENIED, DONE, FOREIGN = 0, 1, 2
local ZERO = ('0'):byte()
local floor, ceil, min, max, call, format = math.floor, math.ceil, math.min, math.max, redis.call, string.format
local KEYS, ARGV = KEYS, ARGV

local now, real, spanned = times(call('TIME'), ARGV[1])
local lease = tonumber(ARGV[2])
local kinds = { ARGV[3]:byte(1, -1) }
local rows = { struct.unpack('<' .. ('d'):rep(#ARGV[4] / 8), ARGV[4]) }
local bytes = { ARGV[5]:byte(1, -1) }

-- The accounts, one table for each field, by the numbers of their keys. A key is of one kind, so fields of different kinds
-- share a table: tables cost time to make. Buckets alone, which is what most batches are about, need but two.
local full_at, full_at_fraction = {}, {} -- of buckets
local lent, read_chunks, denying, write_chunks -- the chunks of those that have any out
local ends_at, window_count = full_at, full_at_fraction -- of fixed windows
local begins_at, current_count, previous_count = full_at, full_at_fraction, nil -- of sliding windows
local logs = full_at -- of logs: {at, cost, …}
local idle_at -- of windows and logs
local held, members = full_at_fraction, nil -- of slots: {member = expiry, or false where it is to go} of those that change
local settled = full_at -- of marks: whether they are there
if ARGV[3]:find('[^t]') then
  previous_count, idle_at = {}, {}
  members = previous_count
end
-- By the numbers of keys: what is to be written, what holds something else, and the time to which a key is kept for sure.
local changed, foreign, kept_to = {}, {}, {}

local kept = call('MGET', unpack(KEYS))
local absent
for k = 1, #KEYS do
  local kind, text = kinds[k], kept[k]
  if kind == SLOTS then
    held[k], members[k] = 0, {}
    local count = redis.pcall('ZSCORE', KEYS[k], 'held')
    if type(count) == 'table' and count.err then
      foreign[k] = true
    elseif count then
      count = -count
      for _, member in ipairs(call('ZRANGEBYSCORE', KEYS[k], '(0', now)) do
        count = count - member:match(':(%d+)$')
        changed[k] = true
      end
      held[k] = count
    end
  elseif not text then
    if kind == TOKEN_BUCKET then
      full_at[k], full_at_fraction[k] = 0, 0
    elseif kind == FIXED_WINDOW then
      ends_at[k], window_count[k], idle_at[k] = 0, 0, 0
    elseif kind == SLIDING_WINDOW then
      begins_at[k], current_count[k], previous_count[k], idle_at[k] = 0, 0, 0, 0
    elseif kind == SLIDING_LOG then
      logs[k], idle_at[k] = {}, 0
    end
    absent = absent or {}
    absent[#absent + 1] = KEYS[k]
  elseif kind == MARK then
    settled[k] = true
  elseif kind == TOKEN_BUCKET then
    local at, fraction = tonumber(text), 0
    local zero = text:byte() == ZERO
    if not at then
      local chunks
      at, fraction, chunks = text:match('^(%d+) (%d+)([ %x]*)$')
      at, fraction = tonumber(at), tonumber(fraction)
      if not fraction then
        foreign[k], zero = true, false
      elseif chunks ~= '' then
        if not lent then
          read_chunks, denying, write_chunks = chunk_functions()
          lent = {}
        end
        -- That zero is all of a number: with chunks, a bucket is kept for as long as they are.
        at, fraction, lent[k] = read_chunks(at, fraction, chunks, now)
        zero = false
      end
    end
    full_at[k], full_at_fraction[k] = at, fraction
    if zero then kept_to[k] = at - at % SPAN + SPAN end
  elseif kind == FIXED_WINDOW then
    local ends, count, idle = text:match('^(%d+) (%d+) (%d+)$')
    ends_at[k], window_count[k], idle_at[k] = tonumber(ends), tonumber(count), tonumber(idle)
    if not idle then foreign[k] = true end
    if text:byte() == ZERO then kept_to[k] = idle_at[k] end
  elseif kind == SLIDING_WINDOW then
    local begins, current, previous, idle = text:match('^(%d+) (%d+) (%d+) (%d+)$')
    begins_at[k], current_count[k], previous_count[k] = tonumber(begins), tonumber(current), tonumber(previous)
    idle_at[k] = tonumber(idle)
    if not idle then foreign[k] = true end
    if text:byte() == ZERO then kept_to[k] = idle_at[k] end
  else
    local log = {}
    for number in text:gmatch('%d+') do log[#log + 1] = tonumber(number) end
    idle_at[k], logs[k] = table.remove(log), log
    if not text:match('^[%d ]+$') or #log % 2 == 1 then foreign[k] = true end
  end
end
-- MGET finds nothing in a key of another type, and SET would write over it.
if absent and call('EXISTS', unpack(absent)) > 0 then
  for k = 1, #KEYS do
    if kinds[k] ~= SLOTS and not kept[k] and call('EXISTS', KEYS[k]) > 0 then foreign[k] = true end
  end
end

