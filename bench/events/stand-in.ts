import type { LockableOptions } from 'rowlock'
import type { SqlDriverAdapterFactory, SqlQuery, SqlResultSet, Transaction } from '@prisma/driver-adapter-utils'

type Build = typeof import('rowlock')
type LockOne = (index: number) => Promise<unknown>

interface Hooks {
  readonly query: { $allOperations(params: object): Promise<unknown> }
  readonly client: Record<string, unknown>
}

const SCOPE = Symbol.for('prisma.client.transaction.scope_context')
const FIELDS = ['id', 'userId', 'balance'].map((name) => ({ name, kind: 'scalar', type: 'Int' }))
const SELECT =
  'SELECT "public"."Wallet"."id", "public"."Wallet"."userId", "public"."Wallet"."balance" FROM "public"."Wallet" ' +
  'WHERE ("public"."Wallet"."userId" = $1 AND 1=1) LIMIT $2 OFFSET $3'
const INT = { scalarType: 'int', arity: 'scalar' } as const

// Nobody is asked there: only a statement that takes long is asked about.
const BESIDE: LockableOptions = { connection: 'postgres://localhost/nothing' }

/**
 * A transaction that locks one row, with all that rowlock does for it and nothing else: the client calls rowlock as
 * Prisma's does, and the database has its one answer at hand.
 */
export async function lockingInMemory({ lockable, rowLocks }: Build, options: Parameters<Build['rowLocks']>[0]): Promise<LockOne> {
  const adapter = await lockable(memory, BESIDE).connect()
  let hooks: Hooks | undefined
  let transactions = 0
  const original = {
    _runtimeDataModel: { models: { Wallet: { dbName: null, schema: null, fields: FIELDS } } },
    async $transaction(work: (tx: object) => Promise<unknown>) {
      const transaction = await adapter.startTransaction()
      const result = await work(transactionClient(transaction, String(transactions++), hooks!))
      await transaction.executeRaw({ sql: 'COMMIT', args: [], argTypes: [] })
      await transaction.commit()
      return result
    },
    $extends(extension: Hooks) {
      hooks = extension
      return { ...original, ...extension.client, _originalClient: original }
    },
  }
  const client = (rowLocks(options) as unknown as (client: object) => RetryingClient)(original)
  return (index) => client.$transactionWithRetry((tx) => tx.wallet.findUniqueOrThrow({ where: { userId: index }, lock: 'forNoKeyUpdate' }))
}

interface RetryingClient {
  $transactionWithRetry(work: (tx: TransactionClient) => Promise<unknown>): Promise<unknown>
}
type TransactionClient = ReturnType<typeof transactionClient>

function transactionClient(transaction: Transaction, id: string, { query: hooks }: Hooks) {
  const __internalParams = { transaction: { kind: 'itx', id }, jsModelName: 'wallet' }
  const query = async ({ where, skip }: { where: { userId: number }; skip: number }) => {
    const { rows } = await transaction.queryRaw({ sql: SELECT, args: [where.userId, 1, skip], argTypes: [INT, INT, INT] })
    return rows[0]
  }
  return {
    [SCOPE]: { kind: 'nested', txId: id },
    async $queryRawUnsafe(sql: string, ...args: unknown[]) {
      const { rows } = await transaction.queryRaw({ sql, args, argTypes: [] })
      return rows.map(([pid]) => ({ pid }))
    },
    wallet: {
      findUniqueOrThrow: (args: object) =>
        hooks.$allOperations({ model: 'Wallet', operation: 'findUniqueOrThrow', args, query, __internalParams }),
    },
  }
}

const queries = {
  provider: 'postgres',
  adapterName: 'memory',
  queryRaw: (_query: SqlQuery): Promise<SqlResultSet> =>
    Promise.resolve({ columnNames: ['id', 'userId', 'balance'], columnTypes: [0, 0, 0], rows: [[1, 1, 1]] }),
  executeRaw: () => Promise.resolve(0),
} as const
const transaction: Transaction = { ...queries, options: { usePhantomQuery: false }, commit: async () => {}, rollback: async () => {} }
const memory: SqlDriverAdapterFactory = {
  provider: 'postgres',
  adapterName: 'memory',
  connect: async () => ({
    ...queries,
    startTransaction: async () => transaction,
    executeScript: async () => {},
    dispose: async () => {},
  }),
}
