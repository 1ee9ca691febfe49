/** `npm run example:nest`: the application, on a PostgreSQL of its own. */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { credit } from 'rowlock/repositories'
import { startDatabase } from 'rowlock/testing'
import { createServicePrisma } from '../http/service.js'
import { AppModule, startApp } from './app.js'

const port = Number(process.env['PORT'] ?? 3000)

console.log('Starting PostgreSQL …')
await using database = await startDatabase({ migrations: fileURLToPath(new URL('../../prisma/migrations', import.meta.url)) })
const prisma = createServicePrisma(database.url)
await prisma.user.create({ data: { name: 'Ada' } })
await credit(prisma, { userId: 1, amount: '100' })
await prisma.event.create({ data: { name: 'Concert', remaining: 15 } })

const app = await startApp(
  AppModule.by(() => prisma),
  port,
)
const url = await app.getUrl()
console.log(`Listening on ${url}, with 100.00 in the wallet of user 1, and 15 tickets of event 1 at 20.00. To try it:

curl ${url}/wallet/withdraw -H 'Content-Type: application/json' -H 'Idempotency-Key: "withdraw-1"' -d '{"userId":1,"amount":"19.99"}'
curl ${url}/tickets/buy -H 'Content-Type: application/json' -H 'Idempotency-Key: "buy-1"' -d '{"userId":1,"eventId":1}'

Ctrl-C (or kill ${process.pid}) stops it, and removes the database.`)
await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
console.log('Finishing the requests that are under way …')
await app.close()
