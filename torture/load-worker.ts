// A process that moves money until it is told to stop, and journals what it means to do and is told. Run by load.ts.
import { setTimeout } from 'node:timers/promises'
import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, rowLocks } from 'rowlock'
import { PrismaClient } from '../src/generated/prisma/client.js'
import { heapSize } from './heap.js'
import { Journal } from './journal.js'
import type { LoadCommand, LoadReport, LoadRequest } from './load.js'
import { idsOf, move, type Movement } from './movement.js'
import { show } from './show.js'

const request = JSON.parse(process.argv[2]!) as LoadRequest
const { url, folder, process: number, callers, users, preparedStatements, keys } = request
const rejections: string[] = []
process.on('unhandledRejection', (reason) => rejections.push(show(reason)))

const pool = new Pool({ connectionString: url, max: callers })
// A connection that dies while it is idle reports to the pool, which makes a new one.
pool.on('error', () => undefined)
const prisma = new PrismaClient({ adapter: lockable(new PrismaPg(pool), { connection: url, preparedStatements }) }).$extends(rowLocks())

// Of four movements one has no key: nobody makes it again when its outcome is unknown.
const WITHOUT_KEY = 4
// In milliseconds: a server that refuses everybody is not to be asked without a pause.
const PAUSE = 10

const ids = idsOf(number)
const stopping = new AbortController()
let done = 0
process.on('message', (command: LoadCommand) =>
  command === 'stop' ? stopping.abort() : report({ done, ended: false, rejections: [], heap: heapSize() }),
)
// Who started it is gone: so is the reason to go on.
process.on('disconnect', () => process.exit())

const journal = await Journal.open(folder, `worker-${number}`)
await Promise.all(Array.from({ length: callers }, () => call()))
await journal[Symbol.asyncDispose]()
await prisma.$disconnect()
await pool.end()
report({ done, ended: true, rejections })
process.disconnect()

async function call(): Promise<void> {
  while (!stopping.signal.aborted) await make(nextMovement())
}

function nextMovement(): Movement {
  const id = ids.next().value
  const movement = { id, kind: id % 2 === 0 ? 'credit' : 'withdraw', userId: 1 + (id % users) } as const
  return !keys || id % WITHOUT_KEY === 0 ? movement : { ...movement, key: `movement-${id}` }
}

/**
 * Makes a movement. One with a key is made again until it is done, once nobody knew whether it was: a refusal of a
 * later call says nothing of the first.
 */
async function make(movement: Movement): Promise<void> {
  let isOpen = false
  do {
    const { said } = await journal.record(movement, () => run(movement))
    if (said === 'ok') return report({ done: ++done, ended: false, rejections: [] })
    isOpen ||= said === 'unknown' && (movement.key !== undefined || !keys)
    await setTimeout(PAUSE)
  } while (isOpen)
}

/** One of three in a transaction of several statements, the others in one statement. */
function run(movement: Movement): Promise<unknown> {
  if (movement.id % 3 !== 0) return move(prisma, movement)
  return prisma.$transactionWithRetry((tx) => move(tx, movement))
}

function report(message: LoadReport): void {
  process.send?.(message)
}
