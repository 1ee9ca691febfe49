import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import type { RedisClient } from 'rowlock/lockers'
import { waitUntil } from '../wait-until.js'

export const redisUrl = process.env.REDIS_URL

/** Of the names that a test process makes in Redis, which others use too. */
export const redisPrefix = `rowlock-test:${randomUUID()}:`

/** A client of a library under test, connected. */
export interface RedisConnection {
  readonly client: RedisClient
  close(): Promise<unknown>
}

/** How each library connects. `name` is what Redis calls the connection, and those duplicated from it. */
export const REDIS_LIBRARIES: Readonly<Record<string, (url: string, name?: string) => Promise<RedisConnection>>> = {
  async ioredis(url, name = 'rowlock-test') {
    const client = new Redis(url, { connectionName: name })
    client.on('error', () => undefined)
    await client.ping()
    return { client, close: async () => client.disconnect() }
  },
  async 'node-redis'(url, name = 'rowlock-test') {
    const client = createClient({ url, name })
    client.on('error', () => undefined)
    await client.connect()
    return { client, close: async () => client.destroy() }
  },
}

/** Waits until somebody waits for the lock of that name: until as many connections listen for its release. */
export async function waitUntilListening(redis: Redis, name: string, connections = 1): Promise<void> {
  await waitUntil(`${connections} listen for ${name}`, async () => {
    const [, listening] = (await redis.pubsub('NUMSUB', name)) as [string, number]
    return listening === connections || undefined
  })
}
