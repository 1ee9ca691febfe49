// A process that takes locks in Redis and writes under them, as it is told. It never looks at a lock's signal.
import './shifted-clock.js'
import postgres from 'postgres'
import { type HeldLease, redisLocker } from 'rowlock/lockers'
import type { HolderCommands, HolderRequest } from './holder-process.js'
import { REDIS_LIBRARIES, redisUrl } from './redis.js'

const [url, ttl, library, prefix] = process.argv.slice(2) as [string, string, string, string]
const sql = postgres(url, { max: 1, onnotice: () => undefined })
const redis = await REDIS_LIBRARIES[library]!(redisUrl!)
const locker = redisLocker(redis.client, { ttl: Number(ttl), prefix })
const locks = new Map<string, HeldLease>()

const tokenOf = (key: string) => String(locks.get(key)!.fencingToken)

const commands: Omit<HolderCommands, 'begin' | 'finish'> = {
  async hold(key) {
    const held = await locker.acquire(key)
    locks.set(key, held)
    return held.fencingToken
  },
  async release(key) {
    await locks.get(key)!.release()
  },
  async whyLost(key) {
    const { signal } = locks.get(key)!
    return signal.aborted ? (signal.reason as { code: string }).code : undefined
  },
  async write(key) {
    const token = tokenOf(key)
    const { count } = await sql`
      UPDATE effect SET token = ${token}, written = written || ${token}::bigint WHERE key = ${key} AND token <= ${token}`
    return count === 1 ? 'written' : 'refused'
  },
  async writeUnguarded(key) {
    await sql`UPDATE effect SET written = written || ${tokenOf(key)}::bigint WHERE key = ${key}`
    return 'written'
  },
  async leave() {
    await Promise.all([redis.close(), sql.end()])
    process.disconnect()
  },
}

process.on('message', ({ id, command, key }: HolderRequest) => {
  commands[command as keyof typeof commands](key).then(
    (value) => void (process.connected && process.send!({ id, value })),
    (error: unknown) => void process.send!({ id, error: String(error) }),
  )
})
await sql`SELECT 1`
process.send!({ id: 0 })
