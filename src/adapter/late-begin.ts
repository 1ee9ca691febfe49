import { andSetLabel } from '../sql/transaction-label.js'
import type { SqlDriverAdapter, Transaction } from './driver-adapter.js'
import { canPipe, type PgClient, type PgError, poolOf, type QueryConfig } from './pg-driver.js'
import { type CommitReport, type Companions, sendPiped, type StatementsBefore } from './piped-query.js'

type IsolationLevel = Parameters<SqlDriverAdapter['startTransaction']>[0]

/** What the first round trip of a transaction does beside BEGIN and its first statement. */
export interface TransactionLimits {
  /** How long each statement may wait for a lock, in milliseconds. */
  readonly lockTimeout: number
  readonly label: string | undefined
  /** Told the number of the backend that runs the transaction; of a pooler's, the driver knows the pooler's only. */
  readonly onPid: (pid: number) => void
  /** Told what PostgreSQL refuses, as it says so: the adapter passes on less. */
  readonly onRefusal: (error: PgError) => void
}

const NO_ROWS = { fields: [], rows: [], rowCount: 0 }
const NO_STATEMENT: QueryConfig = { text: '', values: [], queryMode: 'extended' }

/** Has the one statement that `send` sends go out with COMMIT behind it. */
export type SendWithCommit = <T>(send: () => Promise<T>, report: CommitReport) => Promise<T>

export interface StartedTransaction {
  readonly transaction: Transaction
  /** Whether it has its limits. */
  readonly limited: boolean
  /** Undefined where the driver cannot send two statements in one round trip. */
  readonly sendWithCommit: SendWithCommit | undefined
}

/**
 * Starts a transaction that sends BEGIN and its limits together with its first statement, in one round trip,
 * where the driver is `pg` by way of `@prisma/adapter-pg`. With any other it starts as ever, and has
 * no limits.
 */
export async function startTransaction(
  adapter: SqlDriverAdapter,
  isolationLevel: IsolationLevel,
  limits: TransactionLimits,
): Promise<StartedTransaction> {
  const pool = poolOf(adapter)
  if (!pool) return { transaction: await adapter.startTransaction(isolationLevel), limited: false, sendWithCommit: undefined }
  let late: LateBeginClient | undefined
  const connect = async () => {
    const client = await pool.connect()
    if (canPipe(client)) late = new LateBeginClient(client, limits)
    return late ?? client
  }
  // The adapter's own code, on a pool whose client keeps BEGIN back.
  const view = Object.create(adapter, { client: { value: { connect } } }) as SqlDriverAdapter
  const transaction = await view.startTransaction(isolationLevel)
  late?.keepBackNoMore()
  return { transaction, limited: late !== undefined, sendWithCommit: late?.sendWithCommit }
}

/**
 * A client of the pool for one transaction.
 *
 * ```
 * keeping back ──started──▶ nothing sent ──first statement──▶ begun ──BEGIN failed──▶ failed
 *                                └──COMMIT, ROLLBACK──▶ done, nothing sent
 * ```
 */
class LateBeginClient {
  readonly #client: PgClient
  readonly #limits: TransactionLimits
  readonly #keptBack: string[] = []
  #keeping = true
  /** Settled when the first round trip is over. */
  #begun: Promise<void> | undefined
  /** Why there is no transaction: what is sent now would be committed statement by statement. */
  #failure: { readonly error: unknown } | undefined
  /** Set while the statement is on its way here that COMMIT goes along with. */
  #commit: CommitReport | undefined
  /** What the driver said in place of an answer: the connection may wait for that still, and whoever gets it next too. */
  #unanswered: unknown

  constructor(client: PgClient, limits: TransactionLimits) {
    this.#client = client
    this.#limits = limits
  }

  keepBackNoMore(): void {
    this.#keeping = false
  }

  async query(config: QueryConfig): Promise<unknown> {
    if (this.#keeping) {
      this.#keptBack.push(config.text)
      return NO_ROWS
    }
    return this.#watching(this.#dispatch(config))
  }

  async #watching<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      if (isAnswer(error)) this.#limits.onRefusal(error)
      else this.#unanswered ??= error
      throw error
    }
  }

  async #dispatch(config: QueryConfig): Promise<unknown> {
    const commit = this.#takeCommit()
    if (!this.#begun) {
      if (endsTransaction(config)) return NO_ROWS
      // What has no parameters may be several statements, and these PostgreSQL takes in a message of their own only.
      const goesAlong = config.values.length > 0 || commit !== undefined
      const first = this.#begin(goesAlong ? config : NO_STATEMENT, commit)
      this.#begun = first.then(ignore, ignore)
      if (goesAlong) return first
    }
    // Not left to the driver's own queue, which would send it also when there is no transaction.
    await this.#begun
    // The server rolls back when the connection goes.
    if (this.#unanswered !== undefined && config.text === 'ROLLBACK') return NO_ROWS
    if (this.#failure) return this.#refuse(config, this.#failure.error)
    return commit ? this.#send(config, { commit }) : this.#client.query(config)
  }

  readonly sendWithCommit: SendWithCommit = async (send, report) => {
    this.#commit = report
    try {
      return await send()
    } finally {
      this.#commit = undefined
    }
  }

  #takeCommit(): CommitReport | undefined {
    const commit = this.#commit
    this.#commit = undefined
    return commit
  }

  /** The connection may still be in a transaction, when it is the driver that failed: it must not go back so. */
  async #refuse(config: QueryConfig, error: unknown): Promise<unknown> {
    if (endsTransaction(config)) await this.#client.query({ text: 'ROLLBACK', values: [] })
    if (config.text === 'ROLLBACK') return NO_ROWS
    throw error
  }

  async #begin(config: QueryConfig, commit: CommitReport | undefined): Promise<unknown> {
    const { lockTimeout, label, onPid } = this.#limits
    const limits = `SELECT pg_backend_pid(), set_config('lock_timeout', '${lockTimeout}ms', true)${andSetLabel(label)}`
    const before: StatementsBefore = { texts: [...this.#keptBack, limits], onRow: ([pid]) => onPid(Number(pid)), hasBegun: false }
    try {
      return await this.#send(config, { before, commit })
    } catch (error) {
      if (!before.hasBegun) this.#failure = { error }
      throw error
    }
  }

  #send(config: QueryConfig, companions: Companions): Promise<unknown> {
    // Without parameters the driver would send it in a message that takes no companions.
    return sendPiped(this.#client, { ...config, queryMode: 'extended' }, companions)
  }

  release(error?: unknown): void {
    this.#client.release(error ?? this.#unanswered)
  }

  on(event: string, listener: () => void): unknown {
    return this.#client.on(event, listener)
  }

  removeListener(event: string, listener: () => void): unknown {
    return this.#client.removeListener(event, listener)
  }
}

const endsTransaction = ({ text }: QueryConfig) => text === 'COMMIT' || text === 'ROLLBACK'

/** PostgreSQL's own errors have a severity, in whatever language. */
const isAnswer = (error: unknown): error is PgError => typeof (error as { severity?: unknown } | null)?.severity === 'string'

const ignore = () => undefined
