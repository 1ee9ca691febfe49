import type { Pool } from 'pg'
import type { SqlDriverAdapterFactory } from '../../adapter/driver-adapter.js'
import { lockable } from '../../adapter/lockable.js'
import { gated, type GatedStatement, type StatementGate, type StatementOutcome } from '../../adapter/statement-gate.js'
import { loadAdapter, loadPg } from '../load-drivers.js'
import { inRealTime } from './virtual-clock.js'

/** How an actor's operation ended. */
export type Outcome = { readonly status: 'fulfilled'; readonly value: unknown } | { readonly status: 'rejected'; readonly error: unknown }

/** A statement that waits at the gate until the scheduler lets it go. */
export interface PendingStatement {
  readonly statement: GatedStatement
  readonly release: () => void
}

/** A statement on its way, until PostgreSQL answers. */
export interface SentStatement {
  readonly statement: GatedStatement
  /** Set when PostgreSQL is to break a deadlock here. */
  victim: boolean
}

/** What an actor tells the run about its statements. */
export interface ActorListener {
  arrived(actor: Actor): void
  settled(actor: Actor): void
  returned(actor: Actor, statement: GatedStatement, outcome: StatementOutcome | undefined, error: unknown): void
}

type Client = { $disconnect?(): Promise<void> }

/**
 * One concurrent participant with its own client and connections.
 *
 * ```
 * running ──statement──▶ at the gate ──released──▶ sent ──answer──▶ running ──▶ settled
 * ```
 */
export class Actor {
  readonly name: string
  readonly index: number
  /** Backends of this actor's connections, as PostgreSQL numbers them. */
  readonly pids = new Set<number>()
  pending: PendingStatement[] = []
  sent: SentStatement[] = []
  outcome: Outcome | undefined
  client!: Client
  /** Between runs, and for statements that conflict with nothing, the gate stands open. */
  open = true
  /** Work under way that passes freely. */
  working = 0
  /** Transactions that have neither been committed nor rolled back; they outlive an operation that does not wait for them. */
  readonly transactions = new Set<number>()
  #listener: ActorListener | undefined
  readonly #url: string
  readonly #connections: number
  #pool: Pool | undefined

  constructor(name: string, index: number, url: string, connections: number) {
    this.name = name
    this.index = index
    this.#url = url
    this.#connections = connections
  }

  /**
   * The adapter for this actor's client: every statement passes the gate, with its lock in it.
   *
   * @throws {DatabaseUnavailableError} when a driver is not installed.
   */
  async openAdapter(): Promise<SqlDriverAdapterFactory> {
    const { PrismaPg } = await loadAdapter('Nothing can be explored')
    const pool = await this.#openPool()
    const gate: StatementGate = {
      pass: (statement, send, describe) => this.#pass(statement, send, describe),
      passFreely: (work) => this.#passFreely(work),
    }
    return lockable(gated(new PrismaPg(pool), gate), { connection: pool.options as object as Record<string, unknown> })
  }

  /** True when the operation has settled and has left nothing behind that could still happen. */
  get finished(): boolean {
    return this.settled && this.pending.length === 0 && this.sent.length === 0 && this.working === 0 && this.transactions.size === 0
  }

  /** True when the operation may send something without being asked. */
  get thinking(): boolean {
    return !this.finished && this.pending.length === 0 && this.sent.length === 0
  }

  /** The next statement that can go: behind one that is blocked, only another connection's. */
  get next(): PendingStatement | undefined {
    const busy = new Set(this.sent.map(({ statement }) => statement.transaction))
    return this.pending.find(({ statement: { transaction } }) => transaction === undefined || !busy.has(transaction))
  }

  get settled(): boolean {
    return this.outcome !== undefined
  }

  /** Runs an operation; its statements wait at the gate from now on. */
  start(run: (client: never) => unknown, listener: ActorListener): void {
    this.outcome = undefined
    this.pending = []
    this.sent = []
    this.transactions.clear()
    this.open = false
    this.#listener = listener
    const settle = (outcome: Outcome) => {
      this.outcome = outcome
      listener.settled(this)
    }
    Promise.resolve()
      .then(() => run(this.client as never))
      .then(
        (value) => settle({ status: 'fulfilled', value }),
        (error: unknown) => settle({ status: 'rejected', error }),
      )
  }

  /** Lets everything go that still waits at the gate. */
  giveUp(): void {
    this.open = true
    for (const { release } of this.pending.splice(0)) release()
  }

  async stop(): Promise<void> {
    await this.client?.$disconnect?.().catch(() => undefined)
    if (this.#pool && !this.#pool.ended) await this.#pool.end().catch(() => undefined)
  }

  async #openPool(): Promise<Pool> {
    const { Pool } = await loadPg('Nothing can be explored')
    const application = `rowlock explorer: ${this.name}`
    const pool = new Pool({ connectionString: this.#url, max: this.#connections, idleTimeoutMillis: 0, application_name: application })
    pool.on('connect', (client) => this.pids.add((client as unknown as { processID: number }).processID))
    pool.on('remove', (client) => this.pids.delete((client as unknown as { processID: number }).processID))
    pool.on('error', () => undefined)
    this.#pool = pool
    return pool
  }

  async #pass<T>(statement: GatedStatement, send: () => Promise<T>, describe: (result: T) => StatementOutcome): Promise<T> {
    const { transaction, sql } = statement
    if (transaction === undefined) return this.#passGate(statement, send, describe)
    this.transactions.add(transaction)
    try {
      return await this.#passGate(statement, send, describe)
    } finally {
      if (endsTransaction(sql)) {
        this.transactions.delete(transaction)
        this.#listener?.arrived(this)
      }
    }
  }

  async #passGate<T>(statement: GatedStatement, send: () => Promise<T>, describe: (result: T) => StatementOutcome): Promise<T> {
    if (this.open || conflictsWithNothing(statement)) return this.#passFreely(send)
    await new Promise<void>((release) => {
      this.pending.push({ statement, release })
      this.#listener?.arrived(this)
    })
    const sent: SentStatement = { statement, victim: false }
    this.sent.push(sent)
    try {
      const result = await send()
      this.#returned(sent, describe(result), undefined)
      return result
    } catch (error) {
      const reported = sent.victim ? asDeadlock(error) : error
      this.#returned(sent, undefined, reported)
      throw reported
    }
  }

  async #passFreely<T>(work: () => Promise<T>): Promise<T> {
    this.working++
    try {
      // A driver's own timers (to connect, to connect again) are real: its network is.
      return await inRealTime(work)
    } finally {
      this.working--
      this.#listener?.arrived(this)
    }
  }

  #returned(sent: SentStatement, outcome: StatementOutcome | undefined, error: unknown): void {
    this.sent.splice(this.sent.indexOf(sent), 1)
    this.#listener?.returned(this, sent.statement, outcome, error)
  }
}

/**
 * rowlock's own look at its transaction, and settings. Under REPEATABLE READ even such a statement takes
 * the transaction's snapshot if it is the first one, so there it is a step.
 */
function conflictsWithNothing({ sql, isolationLevel }: GatedStatement): boolean {
  if (isolationLevel && !/^READ/i.test(isolationLevel)) return false
  return /^\/\*rowlock:\d+\*\/SELECT pg_backend_pid\(\)/.test(sql) || /^\s*(?:SET|SHOW)\b/i.test(sql)
}

const endsTransaction = (sql: string) => /^\s*(?:COMMIT|ROLLBACK)\s*;?\s*$/i.test(sql)

/** A statement that was cancelled to break a deadlock reports what PostgreSQL's own victim reports. */
function asDeadlock(error: unknown): unknown {
  const cause = (error as { cause?: object } | undefined)?.cause
  if (!cause) return error
  Object.assign(cause, { kind: 'TransactionWriteConflict', originalCode: '40P01', originalMessage: 'deadlock detected' })
  return error
}
