/** One worker process on `DATABASE_URL`. SIGTERM and Ctrl-C let it finish its job; a second one ends it at once. */
import { createPrisma } from '../client.js'
import { runNaiveWorker } from './naive-worker.js'
import { creditPayment, PAYMENTS } from './payments.js'
import { runWorker } from './worker.js'

const { DATABASE_URL, LEASE = '60000', RETRY_IN = '5000' } = process.env
if (!DATABASE_URL) throw new Error('Set DATABASE_URL to where the jobs are.')

const stop = new AbortController()
for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort())
// Whoever has started this with a channel, and is gone, wants no more of it.
process.once('disconnect', () => stop.abort())
process.channel?.unref()

const run = process.argv.includes('--naive') ? runNaiveWorker : runWorker
const prisma = createPrisma(DATABASE_URL)
try {
  await run(prisma, {
    queue: PAYMENTS,
    handle: creditPayment,
    lease: Number(LEASE),
    retryIn: Number(RETRY_IN),
    signal: stop.signal,
    log: (line) => console.log(`worker ${process.pid}: ${line}`),
  })
} finally {
  await prisma.$disconnect()
}
