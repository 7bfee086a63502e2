--[[
Takes `cost` from several sliding windows at once: from all of them, or, when one has too little left, from none.

KEYS[i]       hash of the i-th window: slot number -> count; at most 21 fields. All keys share one hash tag.
ARGV[1]       cost, 1 or more
ARGV[2i]      limit of the i-th window
ARGV[2i + 1]  its length in ms; it is counted in 20 slots plus the one that is just leaving

Time is the server's own (TIME), so that processes with different clocks share one window.

Returns { now, taken, then for each window: remaining, resetMs, waitMs }
  now        ms since 1970
  taken      1 or 0
  remaining  what is left after this call
  resetMs    until the oldest counted slot leaves; 0 when nothing is counted
  waitMs     0 when the cost fitted; otherwise until it will
]]
local slotsPerWindow = 20
local cost = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function read(key, limit, window)
  local width = math.ceil(window / slotsPerWindow)
  local oldest = math.floor(now / width) - slotsPerWindow
  local flat = redis.call('HGETALL', key)
  local slots, used, stale = {}, 0, {}
  for i = 1, #flat, 2 do
    local slot = tonumber(flat[i])
    if slot < oldest then
      stale[#stale + 1] = flat[i]
    else
      local count = tonumber(flat[i + 1])
      slots[#slots + 1] = { slot, count }
      used = used + count
    end
  end
  table.sort(slots, function(a, b) return a[1] < b[1] end)
  return { key = key, width = width, slots = slots, left = limit - used, stale = stale }
end

local function leavesIn(w, slot)
  return (slot + slotsPerWindow + 1) * w.width - now
end

local function waitOf(w)
  local left = w.left
  if left >= cost then return 0 end
  for _, entry in ipairs(w.slots) do
    left = left + entry[2]
    if left >= cost then return leavesIn(w, entry[1]) end
  end
  return (slotsPerWindow + 1) * w.width
end

local windows, taken = {}, 1
for i, key in ipairs(KEYS) do
  local w = read(key, tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1]))
  w.wait = waitOf(w)
  if w.wait > 0 then taken = 0 end
  windows[i] = w
end

local answer = { now, taken }
for _, w in ipairs(windows) do
  if #w.stale > 0 then redis.call('HDEL', w.key, unpack(w.stale)) end
  local first = w.slots[1]
  if taken == 1 then
    local slot = math.floor(now / w.width)
    redis.call('HINCRBY', w.key, slot, cost)
    redis.call('PEXPIRE', w.key, (slotsPerWindow + 2) * w.width)
    w.left = w.left - cost
    first = first or { slot }
  end
  answer[#answer + 1] = math.max(0, w.left)
  answer[#answer + 1] = first and leavesIn(w, first[1]) or 0
  answer[#answer + 1] = w.wait
end
return answer
