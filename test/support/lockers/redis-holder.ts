// A process that takes locks in Redis and writes under them, as it is told. It never looks at a lock's signal.
import './shifted-clock.js'
import postgres from 'postgres'
import { redisLocker } from 'rowlock/lockers'
import { REDIS_LIBRARIES, redisUrl } from './redis.js'
import { serveHolder } from './serve-holder.js'

const [url, ttl, library, prefix] = process.argv.slice(2) as [string, string, string, string]
const sql = postgres(url, { max: 1, onnotice: () => undefined })
const redis = await REDIS_LIBRARIES[library]!(redisUrl!)
const locker = redisLocker(redis.client, { ttl: Number(ttl), prefix })
await sql`SELECT 1`

serveHolder(
  locker,
  () => Promise.all([redis.close(), sql.end()]),
  (tokenOf) => ({
    async write(key) {
      const token = String(tokenOf(key))
      const { count } = await sql`
        UPDATE effect SET token = ${token}, written = written || ${token}::bigint WHERE key = ${key} AND token <= ${token}`
      return count === 1 ? 'written' : 'refused'
    },
    async writeUnguarded(key) {
      await sql`UPDATE effect SET written = written || ${String(tokenOf(key))}::bigint WHERE key = ${key}`
      return 'written'
    },
  }),
)
