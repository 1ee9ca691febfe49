import { explore, type ExploreReport } from 'rowlock/testing'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { Aborted, type Anomaly, type Item, type Level, type Statements } from './anomaly.js'
import { cycleAnomalies } from './cycle-anomalies.js'
import { dirtyAnomalies } from './dirty-anomalies.js'
import { skewAnomalies } from './skew-anomalies.js'

export const anomalies: readonly Anomaly[] = [...dirtyAnomalies, ...skewAnomalies, ...cycleAnomalies]

export const CREATE_ITEM = 'CREATE TABLE item (id int PRIMARY KEY, value int NOT NULL)'

/** Looks for an anomaly at an isolation level, in a scratch database with the table of {@link CREATE_ITEM}. */
export function exploreAnomaly(url: string, { transactions, happened, title }: Anomaly, isolationLevel: Level): Promise<ExploreReport> {
  const actors = Object.entries(transactions).map(([name, run]) => [
    name,
    (prisma: PrismaClient) => prisma.$transaction((tx) => run(statementsOf(tx)), { isolationLevel }),
  ])
  return explore({
    client: (adapter) => new PrismaClient({ adapter }),
    database: url,
    setup: async (prisma) => {
      await prisma.$executeRaw`DELETE FROM item`
      await prisma.$executeRaw`INSERT INTO item (id, value) VALUES (1, 10), (2, 20)`
    },
    actors: Object.fromEntries(actors),
    invariant: async (prisma, { outcomes }) => {
      const rows = await prisma.$queryRaw<Item[]>`SELECT id, value FROM item ORDER BY id`
      const returned = (name: string) => {
        const outcome = outcomes[name]
        return outcome?.status === 'fulfilled' ? (outcome.value ?? null) : undefined
      }
      return happened({ returned, rows }) ? title : true
    },
    search: { mode: 'complete', time: 120_000 },
  })
}

type Tx = Pick<PrismaClient, '$queryRawUnsafe' | '$executeRawUnsafe'>

const statementsOf = (tx: Tx): Statements => ({
  read: (where = 'true') => tx.$queryRawUnsafe<Item[]>(`SELECT id, value FROM item WHERE ${where} ORDER BY id`),
  write: (sql) => tx.$executeRawUnsafe(sql),
  abort: () => {
    throw new Aborted('The transaction ends itself.')
  },
})
