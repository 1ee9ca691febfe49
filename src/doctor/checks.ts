import type { Check } from './check.js'
import { adapterCheck } from './checks/adapter.js'
import { durabilityCheck } from './checks/durability.js'
import { extensionCheck } from './checks/extension.js'
import { foreignKeyIndexesCheck } from './checks/foreign-key-indexes.js'
import { idleInTransactionCheck } from './checks/idle-in-transaction.js'
import { isolationCheck } from './checks/isolation.js'
import { lockTimeoutCheck } from './checks/lock-timeout.js'
import { lockedColumnsCheck } from './checks/locked-columns.js'
import { parentLocksCheck } from './checks/parent-locks.js'
import { poolSizeCheck } from './checks/pool-size.js'
import { poolerCheck } from './checks/pooler.js'
import { postgresVersionCheck } from './checks/postgres-version.js'
import { prismaVersionCheck } from './checks/prisma-version.js'
import { queryTimeoutCheck } from './checks/query-timeout.js'
import { statementTimeoutCheck } from './checks/statement-timeout.js'
import { transactionTimeoutCheck } from './checks/transaction-timeout.js'
import { writableCheck } from './checks/writable.js'

/** Every check, in the order of the report. */
export const CHECKS: readonly Check[] = [
  adapterCheck,
  extensionCheck,
  prismaVersionCheck,
  postgresVersionCheck,
  writableCheck,
  poolerCheck,
  lockTimeoutCheck,
  statementTimeoutCheck,
  idleInTransactionCheck,
  transactionTimeoutCheck,
  queryTimeoutCheck,
  poolSizeCheck,
  durabilityCheck,
  isolationCheck,
  foreignKeyIndexesCheck,
  parentLocksCheck,
  lockedColumnsCheck,
]
