/** `npm run example:http`: the service, on a PostgreSQL of its own. */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { startDatabase } from 'rowlock/testing'
import { tryLines } from './guide.js'
import { createServicePrisma, startService } from './service.js'

const port = Number(process.env['PORT'] ?? 3000)

console.log('Starting PostgreSQL …')
await using database = await startDatabase({ migrations: fileURLToPath(new URL('../../prisma/migrations', import.meta.url)) })
const prisma = createServicePrisma(database.url)
await prisma.user.createMany({ data: [{ name: 'Ada' }, { name: 'Grace' }] })
await prisma.event.create({ data: { name: 'Concert', remaining: 15 } })

try {
  const service = await startService({ prisma, port })
  console.log(`Listening on ${service.url}, with users 1 and 2, and 15 tickets of event 1. To try it:\n\n${tryLines(service.url)}\n`)
  console.log(`Ctrl-C (or kill ${process.pid}) stops it, and removes the database.`)
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  console.log('Finishing the requests that are under way …')
  await service.stop()
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
  console.error(`Port ${port} is taken: set PORT to another one, or to 0 for any that is free.`)
  process.exitCode = 1
} finally {
  await prisma.$disconnect()
}
