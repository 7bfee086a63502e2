-- Appends facts of one tenant to its stream and tells its listeners: all of them or none, in one slot.
-- KEYS[1]   the stream, facts:{t:<tenant>}
-- ARGV[1]   the channel, facts:{t:<tenant>}:live
-- ARGV[2]   entries to keep, about
-- ARGV[3]   milliseconds that the stream lives after its newest entry
-- ARGV[4…]  seq, fact as JSON, seq, fact as JSON, …; each seq follows the one before
-- Entries are named <seq>-0. A fact that the stream has is passed over. A stream that ends before the fact's
-- predecessor has lost some: it begins anew, so that a stream never has a hole.
-- Returns how many facts were new.
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local top = newest and tonumber(string.match(newest[1], '^%d+'))
local added = 0
for n = 4, #ARGV, 2 do
  local seq = tonumber(ARGV[n])
  if not top or seq > top then
    if top and seq > top + 1 then redis.call('DEL', KEYS[1]) end
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], ARGV[n] .. '-0', 'fact', ARGV[n + 1])
    redis.call('SPUBLISH', ARGV[1], ARGV[n + 1])
    top = seq
    added = added + 1
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return added
