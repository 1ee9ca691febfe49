/** `npm run example:worker`: three worker processes on a PostgreSQL of its own, which are killed now and then. */
import type { ChildProcess } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startDatabase } from 'rowlock/testing'
import { createPrisma, type Prisma } from '../client.js'
import { countOpen, describeOutcome } from './outcome.js'
import { enqueuePayments } from './payments.js'
import { keepWorkers } from './worker-processes.js'

const PAYMENT_COUNT = 300
const KILL_EVERY = 100
const naive = process.argv.includes('--naive')

const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort())

console.log('Starting PostgreSQL …')
await using database = await startDatabase({ migrations: fileURLToPath(new URL('../../prisma/migrations', import.meta.url)) })
const prisma = createPrisma(database.url)
await enqueue(prisma)

console.log(`Three ${naive ? 'naive ' : ''}workers on ${PAYMENT_COUNT} payments of 1.25; now and then one of them is killed.`)
let reports = 0
const onLine = (line: string, worker: ChildProcess) => {
  if (!line.endsWith('completed')) console.log(line)
  if (++reports % KILL_EVERY === 0 && reports < PAYMENT_COUNT) void killWithin(10, worker)
}
const workers = keepWorkers(3, { databaseUrl: database.url, lease: 2_000, retryIn: 200, naive, onLine })
try {
  while (!interrupted.signal.aborted && (await countOpen(prisma)) > 0) await setTimeout(100)
  await workers.stop()
  console.log(await describeOutcome(prisma))
} finally {
  await workers.stop()
  await prisma.$disconnect()
}

/** Payments of five users; one of them is sent twice, and one is for a user that is not there. */
async function enqueue(prisma: Prisma): Promise<void> {
  await prisma.user.createMany({ data: ['Ada', 'Ben', 'Cleo', 'Dan', 'Eve'].map((name) => ({ name })) })
  const payments = Array.from({ length: PAYMENT_COUNT }, (_, index) => ({
    paymentId: `payment-${index + 1}`,
    userId: (index % 5) + 1,
    amount: '1.25',
  }))
  await enqueuePayments(prisma, [...payments, payments[0]!, { paymentId: 'payment-of-nobody', userId: 6, amount: '1.25' }])
}

/** At any point of what it is just doing. */
async function killWithin(ms: number, worker: ChildProcess): Promise<void> {
  await setTimeout(Math.random() * ms)
  if (worker.kill('SIGKILL')) console.log(`worker ${worker.pid}: killed with SIGKILL after ${reports} reports, and replaced`)
}
