import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { type Locker, redisLocker } from 'rowlock/lockers'
import { defineRaceActor } from 'rowlock/testing'
import { lockedIncrement } from './locked-increment.js'
import { REDIS_LIBRARIES, redisUrl } from './redis.js'

const OPTIONS = { ttl: 30_000, prefix: 'rowlock-test:' }

export const ioredisIncrement = lockedIncrement(() => {
  const client = new Redis(redisUrl!)
  return { locker: redisLocker(client, OPTIONS), close: () => client.quit() }
})

export const nodeRedisIncrement = lockedIncrement(() => {
  const client = createClient({ url: redisUrl! })
  const connected = client.connect()
  return { locker: redisLocker(client, OPTIONS), close: async () => (await connected).close() }
})

/** Takes the lock and, while it holds it, appends its token to a list in Redis. Every second process uses the other library. */
export const appendToken = defineRaceActor({
  connect: async ({ input, process }: { input: AppendInput; process: number }) => {
    const redis = await REDIS_LIBRARIES[process % 2 ? 'ioredis' : 'node-redis']!(redisUrl!)
    const list = new Redis(redisUrl!)
    const locker = redisLocker(redis.client, { ttl: 30_000, prefix: input.prefix })
    return { locker, list, [Symbol.asyncDispose]: async () => Promise.all([redis.close(), list.quit()]) }
  },
  run: ({ client, input }: { client: { locker: Locker; list: Redis }; input: AppendInput }) =>
    client.locker.withLock('key', ({ fencingToken }) => client.list.rpush(`${input.prefix}tokens`, String(fencingToken))),
})

/** What {@link appendToken} works on. */
export interface AppendInput {
  readonly prefix: string
}
