--[[
Takes from several counters of one subject at once: from all of them, or, when one has too little left, from none.

KEYS[i]          the i-th counter. All keys share one hash tag.
KEYS[last]       with ARGV[1] = 1: what the subject violated, and how long it is blocked (hash)
ARGV[1]          1: the last key is that hash; 0: there is none
ARGV[6i - 4 …]   of the i-th counter: algorithm, limit, window in ms, cost, debt, blamed
  algorithm      sliding | fixed | bucket | gcra, as in rule.ts
  cost           taken only where every cost fits; 0 only tells the debt, which is no violation
  debt           passed already, by a lease: counted whether it fits or not
  blamed         1: exceeding this one counts as a violation of the subject

Time is the server's own (TIME), so that processes with different clocks share one count.

Returns { now, taken, blockedMs, level, then for each counter: remaining, resetMs, waitMs }
  now        ms since 1970
  taken      1 or 0
  blockedMs  for how long the subject is blocked; 0 when it is not
  level      1, 2 or 3 when this very call was the one that blocked it; else 0
  remaining  what is left after this call
  resetMs    until some of what is counted comes back; 0 when nothing is counted
  waitMs     0 when the cost fitted; otherwise until it will

Ten violated windows in 15 minutes block the subject for 15 minutes, then for an hour, then for a day. A window is violated
once, however often it is asked. What was violated is forgotten a day after its last block has ended.
]]
local slotsPerWindow = 20
local violationsToBlock = 10
local violationsWithin = 900000
local blocks = { 900000, 3600000, 86400000 }
local memory = 86400000

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Integers of any size as they are: tostring would round them to 14 digits.
local function whole(n) return string.format('%.0f', n) end

local sliding = {}
function sliding.read(c)
  c.width = math.ceil(c.window / slotsPerWindow)
  local oldest = math.floor(now / c.width) - slotsPerWindow
  local flat = redis.call('HGETALL', c.key)
  c.slots, c.stale = {}, {}
  local used = 0
  for i = 1, #flat, 2 do
    local slot = tonumber(flat[i])
    if slot < oldest then
      c.stale[#c.stale + 1] = flat[i]
    else
      local count = tonumber(flat[i + 1])
      c.slots[#c.slots + 1] = { slot, count }
      used = used + count
    end
  end
  table.sort(c.slots, function(a, b) return a[1] < b[1] end)
  c.left = c.limit - used
end
function sliding.leaves(c, slot) return (slot + slotsPerWindow + 1) * c.width - now end
function sliding.wait(c, cost)
  local left = c.left
  if left >= cost then return 0 end
  for _, entry in ipairs(c.slots) do
    left = left + entry[2]
    if left >= cost then return sliding.leaves(c, entry[1]) end
  end
  return (slotsPerWindow + 1) * c.width
end
function sliding.add(c, n)
  local slot = math.floor(now / c.width)
  local last = c.slots[#c.slots]
  if last and last[1] == slot then last[2] = last[2] + n else c.slots[#c.slots + 1] = { slot, n } end
  c.left = c.left - n
  redis.call('HINCRBY', c.key, slot, n)
  redis.call('PEXPIRE', c.key, (slotsPerWindow + 2) * c.width)
end
function sliding.tell(c)
  if #c.stale > 0 then redis.call('HDEL', c.key, unpack(c.stale)) end
  local first = c.slots[1]
  return math.max(0, c.left), first and sliding.leaves(c, first[1]) or 0
end

-- "<number of the window> <used>"
local fixed = {}
function fixed.read(c)
  local window, used = string.match(redis.call('GET', c.key) or '', '^(%d+) (%d+)$')
  c.number = math.floor(now / c.window)
  c.used = tonumber(window) == c.number and tonumber(used) or 0
end
function fixed.ends(c) return (c.number + 1) * c.window - now end
function fixed.wait(c, cost) return c.used + cost <= c.limit and 0 or fixed.ends(c) end
function fixed.add(c, n)
  c.used = c.used + n
  redis.call('SET', c.key, whole(c.number) .. ' ' .. whole(c.used), 'PX', fixed.ends(c) + 1000)
end
function fixed.tell(c) return math.max(0, c.limit - c.used), c.used > 0 and fixed.ends(c) or 0 end

-- "<level in tokens times window> <as of>"
local bucket = {}
function bucket.read(c)
  local level, at = string.match(redis.call('GET', c.key) or '', '^(-?%d+) (%d+)$')
  local full = c.limit * c.window
  c.level = level and math.min(full, tonumber(level) + math.max(0, now - tonumber(at)) * c.limit) or full
end
function bucket.wait(c, cost)
  local needed = cost * c.window
  return c.level >= needed and 0 or math.ceil((needed - c.level) / c.limit)
end
function bucket.add(c, n)
  c.level = c.level - n * c.window
  local fullIn = math.ceil((c.limit * c.window - c.level) / c.limit)
  redis.call('SET', c.key, whole(c.level) .. ' ' .. whole(now), 'PX', fullIn + 1000)
end
function bucket.tell(c)
  local remaining = math.max(0, math.floor(c.level / c.window))
  return remaining, remaining < c.limit and math.ceil(((remaining + 1) * c.window - c.level) / c.limit) or 0
end

-- The microsecond at which the whole allowance is there again.
local gcra = {}
function gcra.read(c)
  c.step = math.ceil(c.window * 1000 / c.limit)
  c.ahead = math.max(0, tonumber(redis.call('GET', c.key) or '0') - now * 1000)
end
function gcra.wait(c, cost)
  local over = c.ahead + cost * c.step - c.limit * c.step
  return over <= 0 and 0 or math.ceil(over / 1000)
end
function gcra.add(c, n)
  c.ahead = c.ahead + n * c.step
  redis.call('SET', c.key, whole(now * 1000 + c.ahead), 'PX', math.ceil(c.ahead / 1000) + 1000)
end
function gcra.tell(c)
  local remaining = math.max(0, math.floor((c.limit * c.step - c.ahead) / c.step))
  if c.ahead == 0 or remaining >= c.limit then return remaining, 0 end
  return remaining, math.ceil((c.ahead - (c.limit - remaining - 1) * c.step) / 1000)
end

local algorithms = { sliding = sliding, fixed = fixed, bucket = bucket, gcra = gcra }

local function newlyViolated(abuse, c)
  local field = 'violated:' .. c.key
  local last = redis.call('HGET', abuse, field)
  if last and now - tonumber(last) < c.window then return false end
  redis.call('HSET', abuse, field, whole(now))
  return true
end

-- The last ten violations stand in a ring: the tenth last, when it is young enough, blocks. Returns its level, else 0.
local function violate(abuse)
  local n = redis.call('HINCRBY', abuse, 'violations', 1)
  redis.call('HSET', abuse, 'ring:' .. n % violationsToBlock, whole(now))
  redis.call('PEXPIRE', abuse, memory)
  if n < violationsToBlock then return 0 end
  local tenthLast = tonumber(redis.call('HGET', abuse, 'ring:' .. (n + 1) % violationsToBlock))
  if now - tenthLast > violationsWithin then return 0 end
  local level = math.min(#blocks, tonumber(redis.call('HGET', abuse, 'level') or '0') + 1)
  redis.call('DEL', abuse)
  redis.call('HSET', abuse, 'level', level, 'until', whole(now + blocks[level]))
  redis.call('PEXPIRE', abuse, blocks[level] + memory)
  return level
end

local abuse = ARGV[1] == '1' and KEYS[#KEYS] or nil
local count = abuse and #KEYS - 1 or #KEYS
local blockedMs = abuse and math.max(0, tonumber(redis.call('HGET', abuse, 'until') or '0') - now) or 0
local taken, counters, level = blockedMs == 0 and 1 or 0, {}, 0

for i = 1, count do
  local at = 6 * i - 4
  local c = {
    key = KEYS[i],
    how = algorithms[ARGV[at]],
    limit = tonumber(ARGV[at + 1]),
    window = tonumber(ARGV[at + 2]),
    cost = tonumber(ARGV[at + 3]),
    blamed = ARGV[at + 5] == '1',
  }
  local debt = tonumber(ARGV[at + 4])
  c.how.read(c)
  if debt > 0 then c.how.add(c, debt) end
  c.wait = c.how.wait(c, c.cost)
  if c.wait > 0 then taken = 0 end
  counters[i] = c
end

if abuse and taken == 0 and blockedMs == 0 then
  for _, c in ipairs(counters) do
    if c.wait > 0 and c.cost > 0 and c.blamed and newlyViolated(abuse, c) then level = math.max(level, violate(abuse)) end
  end
  if level > 0 then blockedMs = blocks[level] end
end

local answer = { now, taken, blockedMs, level }
for _, c in ipairs(counters) do
  if taken == 1 and c.cost > 0 then c.how.add(c, c.cost) end
  local remaining, resetMs = c.how.tell(c)
  answer[#answer + 1] = remaining
  answer[#answer + 1] = resetMs
  answer[#answer + 1] = c.wait
end
return answer
