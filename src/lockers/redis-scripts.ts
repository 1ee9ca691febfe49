/**
 * The scripts of `redisLocker`; Redis runs each as one step.
 *
 * A lock is one hash, which a Redis Cluster keeps in one slot: its `token`, its `mode`, and for each holder
 * when its hold ends. All times are Redis' own. Modes:
 *
 * - `exclusive`: one holder.
 * - `shared`: holders with the same token; others may join.
 * - `closed`: as `shared`, but an exclusive caller waits for it, and nobody may join any more.
 *
 * When the last hold has ended or is released, the lock is free, whatever its mode was.
 *
 * The token is Redis' time in microseconds, or one more than the last token where the clock is not past that.
 * The hash is kept until the clock is, so that a clock which is set back still finds the last token: tokens
 * only grow, and a lock that nobody holds takes no memory. A counter would have to be kept for ever, and
 * once lost with Redis' memory it would start again below every token that a resource has seen.
 */

const READ = `
  local lock, caller = KEYS[1], ARGV[1]
  local clock = redis.call('TIME')
  local micros = clock[1] * 1000000 + clock[2]
  local now = math.floor(micros / 1000)

  local token, mode, holds = 0, nil, {}
  local fields = redis.call('HGETALL', lock)
  for i = 1, #fields, 2 do
    local name, value = fields[i], fields[i + 1]
    if name == 'mode' then
      mode = value
    elseif name == 'token' then
      token = tonumber(value)
    elseif tonumber(value) > now then
      holds[name] = tonumber(value)
    else
      redis.call('HDEL', lock, name)
    end
  end

  local function whole(number) return string.format('%.0f', number) end

  local function last_end()
    local last = 0
    for _, ends in pairs(holds) do last = math.max(last, ends) end
    return last
  end

  local function keep()
    redis.call('PEXPIREAT', lock, whole(math.max(last_end(), math.floor(token / 1000) + 1)))
  end

  local function hold(ttl)
    holds[caller] = now + ttl
    redis.call('HSET', lock, caller, whole(now + ttl))
    keep()
  end
`

/**
 * Arguments: holder, ttl, `exclusive` or `shared`, `waits` or `nowait`. Gives `granted` and the token, or
 * `held` and after how many milliseconds it is free if nobody renews it. May be sent twice, as clients do
 * when a connection breaks before the answer.
 */
export const ACQUIRE = `${READ}
  local ttl, wanted, waits = tonumber(ARGV[2]), ARGV[3], ARGV[4] == 'waits'
  local free = next(holds) == nil
  local joins = mode == 'shared' and wanted == 'shared'
  if not (free or joins or holds[caller]) then
    if mode == 'shared' and waits then redis.call('HSET', lock, 'mode', 'closed') end
    return { 'held', whole(last_end() - now) }
  end
  if free then
    token = math.max(token + 1, micros)
    redis.call('HSET', lock, 'token', whole(token), 'mode', wanted)
  end
  hold(ttl)
  return { 'granted', whole(token) }
`

/** Arguments: holder, ttl. Gives 1, or 0 when it is not held any more. */
export const RENEW = `${READ}
  if not holds[caller] then return 0 end
  hold(tonumber(ARGV[2]))
  return 1
`

/** Arguments: holder, channel. Gives 1, or 0 when it was not held any more; wakes those who wait when it is free. */
export const RELEASE = `${READ}
  if not holds[caller] then return 0 end
  holds[caller] = nil
  redis.call('HDEL', lock, caller)
  keep()
  if next(holds) == nil then redis.call('PUBLISH', ARGV[2], '') end
  return 1
`
