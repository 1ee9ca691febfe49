import { randomUUID } from 'node:crypto'
import { isRowLockError } from 'rowlock'
import { leaseLocker } from 'rowlock/lockers'
import { HolderProcess } from '../../test/support/lockers/holder-process.js'
import { CONNECTIONS, type Stage } from './stage.js'

interface Holding extends AsyncDisposable {
  readonly holder: HolderProcess
  readonly key: string
  readonly token: bigint
}

const HOUR = 3_600_000
// In milliseconds: of a holder that will die or stop, and of one that goes on.
const SHORT = 1_000
const LONG = 20_000
const TAKE_OVER = { timeout: 30_000 }

/** A process that holds a lease is killed: the next one has it when it has expired. */
export async function killHolder(stage: Stage): Promise<void> {
  await using holding = await hold(stage, SHORT)
  await holding.holder.kill()
  await takeOver(stage, holding)
}

/** It is stopped for longer than its lease, and writes when another has written. */
export async function stopHolder(stage: Stage): Promise<void> {
  await using holding = await hold(stage, SHORT)
  const { holder, key, token } = holding
  holder.stop()
  await takeOver(stage, holding)
  const writing = holder.tell('write', key)
  holder.goOn()
  stage.findings.expect((await writing) === 'STALE_TOKEN', 'untyped', `a late write ended with ${await writing}`)
  const [row] = await stage.prisma.$queryRaw<[{ tokens: bigint[] }]>`SELECT tokens FROM effect WHERE key = ${key}`
  stage.findings.expect(!row.tokens.includes(token), 'wrong', `what ${token} wrote after the next holder is there`)
}

/** Its clock is an hour off: it holds the lease for as long as the server says, and no longer. */
export async function shiftClock(stage: Stage): Promise<void> {
  await using holding = await hold(stage, LONG, stage.random() < 0.5 ? HOUR : -HOUR)
  const { holder, key } = holding
  const refused = await leaseLocker(stage.prisma, { ttl: LONG })
    .withLock(key, async () => 'granted', { nowait: true })
    .catch((error: unknown) => (isRowLockError(error) ? error.code : String(error)))
  stage.findings.expect(refused === 'LOCK_NOT_AVAILABLE', 'wrong', `a lease in force was ${refused}`)
  await holder.tell('release', key)
  await takeOver(stage, holding)
}

async function hold({ url, prisma }: Stage, ttl: number, shift = 0): Promise<Holding> {
  const key = randomUUID()
  // Connections that the last fault has cut are noticed by their next use, which is not to be the lease's.
  await Promise.all(Array.from({ length: CONNECTIONS }, () => prisma.$transactionWithRetry((tx) => tx.$queryRaw`SELECT 1`)))
  await prisma.$transactionWithRetry((tx) => tx.$executeRaw`INSERT INTO effect (key) VALUES (${key})`)
  const holder = await HolderProcess.start({ url, ttl, shiftClock: shift })
  return { holder, key, token: await holder.tell('hold', key), [Symbol.asyncDispose]: () => holder.kill() }
}

async function takeOver({ prisma, findings }: Stage, { key, token }: Holding): Promise<void> {
  const locker = leaseLocker(prisma, { ttl: LONG })
  await locker.withLock(
    key,
    async ({ fencingToken }) => {
      findings.expect(fencingToken > token, 'wrong', `token ${fencingToken} was granted after ${token}`)
      await prisma.$transactionWithRetry(async (tx) => {
        await locker.guardedWrite(tx, fencingToken)
        await tx.$executeRaw`UPDATE effect SET tokens = tokens || ${fencingToken}::bigint WHERE key = ${key}`
      })
    },
    TAKE_OVER,
  )
}
