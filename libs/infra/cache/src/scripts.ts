/**
 * What Redis does in one step. Every version is the instant of the last forgetting, in microseconds of Redis' own clock, and
 * an entry counts where each version of it is there and no newer than the clock its load began with. A version that Redis
 * evicted takes its entries along: nothing forgotten can come back.
 *
 * KEYS of all: [1] the entry, [2] its late copy, [3] when its key was forgotten, [4] version of the tenant, [5] version of the
 * strategy, [6] who loads it now.
 */
const versions = `
local function clock()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end
local function version(key) return tonumber(redis.call('GET', key) or nil) end
local function live(value, tagPrefix)
  local loaded, tags = string.match(string.sub(value, 1, 2048), '^(%d+) ([^\\n]*)\\n')
  loaded = tonumber(loaded)
  if not loaded then return true end
  if (version(KEYS[3]) or 0) > loaded then return false end
  for _, key in ipairs({KEYS[4], KEYS[5]}) do
    if (version(key) or math.huge) > loaded then return false end
  end
  for tag in string.gmatch(tags, '[^,]+') do
    if (version(tagPrefix .. tag) or math.huge) > loaded then return false end
  end
  return true
end`;

/**
 * ARGV: [1] prefix of tags' versions, [2] '1' where a late copy is wanted, [3] this process's claim, [4] ms that it holds.
 * Answers {value or '', ms left, clock, late copy or '', ms left of that, 1 where the claim holds}. A value that is none of
 * ours is handed out: the process says what it thinks of it.
 */
export const readScript = `${versions}
local value = redis.call('MGET', KEYS[1])[1]
local now = string.format('%.0f', clock())
if value and live(value, ARGV[1]) then return {value, redis.call('PTTL', KEYS[1]), now, '', 0, 0} end
local mine = redis.call('SET', KEYS[6], ARGV[3], 'PX', ARGV[4], 'NX') and 1 or 0
local late = ARGV[2] == '1' and redis.call('MGET', KEYS[2])[1]
if late and live(late, ARGV[1]) then return {'', 0, now, late, redis.call('PTTL', KEYS[2]), mine} end
return {'', 0, now, '', 0, mine}`;

/**
 * ARGV: [1] clock of the load, [2] value, [3] ms to keep it, [4] ms to keep the late copy, 0 for none, [5] prefix of tags'
 * versions, [6] ms to keep versions, [7] this process's claim or '', [8…] tags. Answers 1 where it was kept, 0 where something
 * was forgotten since the load began. A version that is not there yet begins with the load.
 */
export const storeScript = `${versions}
local loaded = tonumber(ARGV[1])
if ARGV[7] ~= '' and redis.call('GET', KEYS[6]) == ARGV[7] then redis.call('DEL', KEYS[6]) end
if (version(KEYS[3]) or 0) > loaded then return 0 end
local concerned = {KEYS[4], KEYS[5]}
for n = 8, #ARGV do concerned[#concerned + 1] = ARGV[5] .. ARGV[n] end
for _, key in ipairs(concerned) do
  if (version(key) or 0) > loaded then return 0 end
end
for _, key in ipairs(concerned) do
  if redis.call('PEXPIRE', key, ARGV[6]) == 0 then redis.call('SET', key, ARGV[1], 'PX', ARGV[6]) end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if tonumber(ARGV[4]) > 0 then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4]) end
return 1`;

/** KEYS: [1] the version; ARGV: [1] ms to keep it. What was loaded until now counts no more. */
export const forgetScript = `
local t = redis.call('TIME')
redis.call('SET', KEYS[1], string.format('%.0f', tonumber(t[1]) * 1000000 + tonumber(t[2]) + 1), 'PX', ARGV[1])
return 1`;

/** KEYS: [1] who loads it now; ARGV: [1] the claim. Gives it back. */
export const releaseScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;
