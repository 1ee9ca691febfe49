import { median } from 'simple-statistics'
import { startDatabase } from 'rowlock/testing'
import { runCallers } from '../callers.js'
import { openContestants } from '../which-lock/contestants.js'

const CALLERS = 100
const OPERATIONS = 500

/** The case this project started from: 100 callers, 500 withdrawals, one wallet, under the locks that people write by hand. */
export interface Origin {
  /** `seconds` is the time of all withdrawals, by what was done of them where the time was up. */
  readonly contestants: readonly { readonly name: string; readonly done: number; readonly seconds: number }[]
  /** The time of the fastest lock by hand to rowlock's. */
  readonly ratio: number | undefined
}

const OURS = 'withdraw: row lock and guard'
const isShown = (name: string) => name === OURS || name.includes('by hand')

/** @param limit The time of one round, in milliseconds. */
export async function measureOrigin({ rounds, limit }: { rounds: number; limit: number }): Promise<Origin> {
  await using database = await startDatabase({ migrations: 'prisma/migrations', durable: true })
  await using opened = await openContestants(database.url, { redis: process.env['REDIS_URL'], mariadb: process.env['MARIADB_URL'] })
  const shown = opened.all.filter(({ name }) => isShown(name)).map((one) => ({ ...one, done: [] as number[], seconds: [] as number[] }))
  for (let round = 0; round < rounds; round++) {
    for (const { withdraw, done, seconds } of shown) {
      await opened.reset()
      const measured = await runCallers({ callers: CALLERS, operations: OPERATIONS, limit, run: (_, signal) => withdraw(signal) })
      done.push(measured.done)
      seconds.push(OPERATIONS / measured.rate)
    }
  }
  const contestants = shown.map(({ name, done, seconds }) => ({ name, done: Math.min(...done), seconds: median(seconds) }))
  const ours = contestants.find(({ name }) => name === OURS)
  const others = contestants.filter(({ name }) => name !== OURS).map(({ seconds }) => seconds)
  return { contestants, ratio: ours && others.length > 0 ? Math.min(...others) / ours.seconds : undefined }
}
