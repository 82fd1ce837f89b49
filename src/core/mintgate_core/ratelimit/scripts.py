"""The limiter's arithmetic inside Redis: one script a check, by the server's own clock.

KEYS[1] is a key's hash: its buckets, and what each open request took. KEYS[2] is the sorted set
of its leases by expiry. Both carry the key's id in braces, so that they share a slot, and both
expire by themselves once they say nothing any more. `bucket.py` explains the numbers.
"""

from __future__ import annotations

from mintgate_core.ratelimit.base import LEASES_PER_KEY_MAX, MINUTE_MS, OPEN_RETRY_MS
from mintgate_core.ratelimit.bucket import REFILL_MS_MAX

PURGED_PER_CHECK_MAX = 128
"""Expired leases that one check clears away; it never counts the others either."""

_COMMON = f"""
local MINUTE, REFILL_MAX = {MINUTE_MS}, {REFILL_MS_MAX}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local hold = ARGV[1]

local function fill(name, limit)
  local have = redis.call('HMGET', KEYS[1], name, name .. ':rest', name .. ':at')
  if not have[1] then return limit, 0 end
  local elapsed = math.min(math.max(0, now - have[3]), REFILL_MAX)
  local part = limit % MINUTE
  local more = part * elapsed + have[2]
  local rest = more % MINUTE
  local available = have[1] + (limit - part) / MINUTE * elapsed + (more - rest) / MINUTE
  if available >= limit then return limit, 0 end
  return math.max(available, -limit), rest
end

local function keep(name, limit, available, rest)
  if available >= limit then available, rest = limit, 0 end
  redis.call('HSET', KEYS[1], name, math.max(available, -limit), name .. ':rest', rest,
    name .. ':at', now, name .. ':limit', limit)
end

local function give(name, count)
  local limit = tonumber(redis.call('HGET', KEYS[1], name .. ':limit') or 0)
  if limit == 0 then return end
  local available, rest = fill(name, limit)
  keep(name, limit, available + count, rest)
end

local function forget(ids)
  for _, id in ipairs(ids) do
    redis.call('ZREM', KEYS[2], id)
    redis.call('HDEL', KEYS[1], 'hold:' .. id)
  end
end

local function live()
  local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  local till = math.max(now + REFILL_MAX, tonumber(last[2] or 0)) + MINUTE
  redis.call('PEXPIREAT', KEYS[1], till)
  redis.call('PEXPIREAT', KEYS[2], till)
end
"""

ADMIT = f"""{_COMMON}
local lease, requests, tokens, open, cost = tonumber(ARGV[2]), tonumber(ARGV[3]),
  tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
forget(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, {PURGED_PER_CHECK_MAX}))
local score = redis.call('ZSCORE', KEYS[2], hold)
if score and tonumber(score) > now then return {{2, 0, 0}} end

local waits = {{0, 0, 0}}
local had, had_rest, left, left_rest
local function wait(available, rest, limit, wanted)
  local missing = wanted - available
  if missing <= 0 then return 0 end
  return math.ceil((missing * MINUTE - rest) / limit)
end
if requests > 0 then
  had, had_rest = fill('requests', requests)
  waits[1] = wait(had, had_rest, requests, 1)
end
if tokens > 0 then
  left, left_rest = fill('tokens', tokens)
  waits[2] = wait(left, left_rest, tokens, cost)
end
if open > 0 and redis.call('ZCOUNT', KEYS[2], '(' .. now, '+inf') >= open then
  waits[3] = {OPEN_RETRY_MS}
end
local longest = 1
for place = 2, 3 do
  if waits[place] > waits[longest] then longest = place end
end
if waits[longest] > 0 then return {{0, longest, waits[longest]}} end

if requests > 0 then keep('requests', requests, had - 1, had_rest) else
  redis.call('HDEL', KEYS[1], 'requests', 'requests:limit') end
if tokens > 0 then
  keep('tokens', tokens, left - cost, left_rest)
  redis.call('HSET', KEYS[1], 'hold:' .. hold, cost)
else redis.call('HDEL', KEYS[1], 'tokens', 'tokens:limit') end
if redis.call('ZCARD', KEYS[2]) >= {LEASES_PER_KEY_MAX} then
  forget(redis.call('ZRANGE', KEYS[2], 0, 0))
end
redis.call('ZADD', KEYS[2], now + lease, hold)
live()
return {{1, 0, 0}}
"""

RENEW = f"""{_COMMON}
if redis.call('EXISTS', KEYS[1], KEYS[2]) == 0 then return 0 end
local score = tonumber(redis.call('ZSCORE', KEYS[2], hold) or 0)
redis.call('ZADD', KEYS[2], math.max(score, now + ARGV[2]), hold)
live()
return 1
"""

END = f"""{_COMMON}
local score = redis.call('ZSCORE', KEYS[2], hold)
if not score then return 0 end
local cost = tonumber(redis.call('HGET', KEYS[1], 'hold:' .. hold) or 0)
forget({{hold}})
if tonumber(score) <= now then return 0 end
local used, undone = ARGV[2], ARGV[3] == '1'
if undone then give('requests', 1) end
if cost > 0 and used ~= '' then give('tokens', cost - used) end
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then live() end
return 1
"""
