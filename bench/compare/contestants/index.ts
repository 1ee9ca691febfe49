import type { Contestant } from '../contestant.js'
import { drizzleContestant } from './drizzle.js'
import { knexContestant } from './knex.js'
import { kyselyContestant } from './kysely.js'
import { mikroOrmContestant } from './mikro-orm.js'
import { pgFiveStatements, pgOneStatement, pgPipelined } from './pg.js'
import { pgbenchFive, pgbenchSingle } from './pgbench.js'
import { postgresJs, postgresJsOneStatement } from './postgres-js.js'
import { prismaOneStatement, prismaWorkaround } from './prisma.js'
import { rowlockCoalesced, rowlockTyped, rowlockTypedCommit, rowlockWithdraw } from './rowlock.js'
import { sequelizeContestant } from './sequelize.js'
import { typeormContestant } from './typeorm.js'

/** In the order of the tables. */
export const contestants: readonly Contestant[] = [
  prismaWorkaround,
  mikroOrmContestant,
  sequelizeContestant,
  typeormContestant,
  drizzleContestant,
  knexContestant,
  kyselyContestant,
  pgFiveStatements,
  postgresJs,
  pgPipelined,
  prismaOneStatement,
  pgOneStatement,
  postgresJsOneStatement,
  rowlockTyped,
  rowlockTypedCommit,
  rowlockWithdraw,
  rowlockCoalesced,
  pgbenchFive,
  pgbenchSingle,
]
