import { setTimeout as sleep } from 'node:timers/promises'
import type { SideConnection } from '../adapter/side-connection.js'
import { classifyFailedCommit } from '../core/classify-error.js'
import { isRowLockError, LockNotSupportedError } from '../core/errors.js'
import { asDriverError, explainPgError } from '../core/explain-pg-error.js'
import { MAX_TIMEOUT } from '../core/lock-option.js'
import { selectWithLockTimeout } from '../sql/lock-timeout.js'
import { type GrantedLock, type HoldResult, lockLost } from './create-locker.js'
import { keepAlive } from './keep-alive.js'
import type { LockWait } from './lock-wait.js'
import type { PgClient, PgResult } from './pg-pool.js'

/** How long an advisory lock lasts by itself: as the transaction that took it, or as the session. */
export type AdvisoryLockScope = 'transaction' | 'session'

/** What a session takes, and for how long at most. */
export interface PoolSessionOptions {
  readonly scope: AdvisoryLockScope
  /** The lock's number in PostgreSQL. */
  readonly number: bigint
  /** In milliseconds; undefined for as long as it takes. */
  readonly maxHold: number | undefined
}

// In milliseconds.
const CANCEL_INTERVAL = 20
const CANCEL_LIMIT = 2_000
const ANSWER_LIMIT = 5_000

const SELECT_PID = 'SELECT pg_backend_pid() AS pid'

/**
 * One advisory lock on a connection of its own, taken from a pool.
 *
 * ```
 * open ──take──▶ waiting ──granted──▶ held ──release──▶ unlocked or committed ──▶ given back to the pool
 *   └──refused──┬───┴──aborted──▶ cancelled  └──lost──▶ destroyed
 *               └──▶ given back, or destroyed when it may still have the lock
 * ```
 *
 * The connection goes back to the pool only when the server has said that the lock is gone.
 */
export class PoolSession implements GrantedLock<{ readonly tx?: PgClient }> {
  readonly #client: PgClient
  readonly #side: SideConnection | undefined
  readonly #wait: LockWait
  readonly #options: PoolSessionOptions
  readonly #lost = new AbortController()
  readonly #onError = (error?: Error) => this.#lose('its connection died', error)
  #pid = 0
  #gone = false
  #heldUntil = 0
  #stopKeepAlive: (() => void) | undefined
  #maxHold: NodeJS.Timeout | undefined

  constructor(client: PgClient, side: SideConnection | undefined, wait: LockWait, options: PoolSessionOptions) {
    this.#client = client
    this.#side = side
    this.#wait = wait
    this.#options = options
    client.on('error', this.#onError)
    client.on('end', this.#onError)
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  get extra(): { readonly tx?: PgClient } {
    return this.#inSession ? {} : { tx: this.#client }
  }

  /** @throws As `LockSource.take`; the connection is then back, or closed. */
  async take(): Promise<void> {
    try {
      await this.#unlessAborted(this.#ask())
      this.#wait.signal?.throwIfAborted()
      this.#start()
    } catch (error) {
      await this.#giveUp(error)
      throw this.#wait.signal?.aborted ? this.#wait.signal.reason : this.#explain(error)
    }
  }

  /** @throws {AmbiguousCommitError} when nobody knows whether the transaction was committed. */
  async release(result: HoldResult): Promise<void> {
    this.#stop()
    if (this.#gone) return
    const unanswered = setTimeout(() => this.#lose('the server no longer answers'), this.#answerLimit)
    try {
      const isReleased = this.#inSession ? await this.#unlock() : await this.#end(result)
      if (isReleased) this.#leave()
      else this.#lose(this.#inSession ? 'its session no longer had it' : 'a statement of its transaction failed, which ended it')
    } catch (error) {
      this.#lose('its session is gone', error)
      if (isRowLockError(error) && error.code === 'AMBIGUOUS_COMMIT') throw error
    } finally {
      clearTimeout(unanswered)
    }
  }

  get #inSession(): boolean {
    return this.#options.scope === 'session'
  }

  /** A COMMIT may take as long as the transaction. */
  get #answerLimit(): number {
    return Math.min(Math.max(0, this.#heldUntil - performance.now()) + ANSWER_LIMIT, MAX_TIMEOUT)
  }

  async #ask(): Promise<void> {
    this.#pid = this.#inSession ? await this.#ownSession() : await this.#begin()
    this.#wait.signal?.throwIfAborted()
    if (!(await this.#lock())) throw this.#wait.refusal()
  }

  /**
   * A proxy that shares the server's sessions among its clients makes up the process id that it announces:
   * a lock of the session would be held by, and lost to, whoever comes next.
   */
  async #ownSession(): Promise<number> {
    const announced = this.#client.processID
    const pid = await this.#readPid()
    if (pid === announced) return pid
    throw new LockNotSupportedError(
      `A session-scoped lock needs a connection of its own to PostgreSQL, and this one leads through a proxy (the session is ${pid}, ` +
        `${announced ?? 'none'} was announced); connect directly, or use \`scope: 'transaction'\`.`,
      { key: this.#wait.key },
    )
  }

  async #readPid(): Promise<number> {
    return pidOf(await this.#client.query(SELECT_PID))
  }

  /** READ COMMITTED, as a snapshot that is older than the lock would show `run` what was there before. */
  async #begin(): Promise<number> {
    // Two statements in one round trip have two answers, which the driver's types do not know of.
    const answers: unknown = await this.#client.query(`BEGIN ISOLATION LEVEL READ COMMITTED; ${SELECT_PID}`)
    return pidOf((answers as PgResult[])[1]!)
  }

  async #lock(): Promise<boolean> {
    const { shared, nowait, remaining } = this.#wait
    const scope = this.#inSession ? '' : 'xact_'
    const lock = `pg_${nowait ? 'try_' : ''}advisory_${scope}lock${shared ? '_shared' : ''}($1::bigint)`
    const call = `${this.#guarded(lock)} AS granted`
    // 0 is no limit, whatever the role's own is: the caller is ready to wait.
    const sql = nowait ? `SELECT ${call}` : selectWithLockTimeout(call, remaining ?? 0)
    const { rows } = await this.#client.query(sql, this.#values)
    const { granted } = rows[0] as { granted: string | null }
    if (granted === null) throw this.#moved()
    return granted !== 'false'
  }

  async #unlock(): Promise<boolean> {
    const unlock = `pg_advisory_unlock${this.#wait.shared ? '_shared' : ''}($1::bigint)`
    const { rows } = await this.#client.query(`SELECT ${this.#guarded(unlock)} AS released`, this.#values)
    return (rows[0] as { released: string | null }).released === 'true'
  }

  /** The call, unless a proxy has changed the session since: then null. */
  #guarded(call: string): string {
    return `CASE WHEN pg_backend_pid() = $2::int THEN ${call}::text END`
  }

  get #values(): unknown[] {
    return [String(this.#options.number), this.#pid]
  }

  /** Whether the transaction was still there: PostgreSQL answers COMMIT of a failed one with ROLLBACK. */
  async #end(result: HoldResult): Promise<boolean> {
    if (result === 'failed') {
      await this.#client.query('ROLLBACK')
      return true
    }
    try {
      return (await this.#client.query('COMMIT')).command === 'COMMIT'
    } catch (error) {
      throw classifyFailedCommit(asDriverError(error)) ?? error
    }
  }

  #start(): void {
    const { maxHold } = this.#options
    if (maxHold !== undefined) {
      this.#heldUntil = performance.now() + maxHold
      this.#maxHold = setTimeout(() => this.#lose(`it was held for longer than maxHold (${maxHold} ms)`), maxHold)
    }
    this.#stopKeepAlive = keepAlive(
      () => (this.#client.readyForQuery === false ? undefined : this.#ping()),
      (why, cause) => this.#lose(why, cause),
    )
  }

  #stop(): void {
    this.#stopKeepAlive?.()
    clearTimeout(this.#maxHold)
  }

  async #ping(): Promise<void> {
    if ((await this.#readPid()) !== this.#pid) throw this.#moved()
  }

  #moved(): LockNotSupportedError {
    return new LockNotSupportedError(`The connection's session is no longer ${this.#pid}: a proxy has changed it.`, { key: this.#wait.key })
  }

  /** Waits for `work`; when the wait is aborted, until the server has let go of its statement. */
  async #unlessAborted(work: Promise<void>): Promise<void> {
    const { signal } = this.#wait
    let running = true
    let cancelled: Promise<void> | undefined
    const onAbort = () => {
      cancelled = this.#cancelWhile(() => running && !this.#gone)
    }
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await work
    } finally {
      running = false
      signal?.removeEventListener('abort', onAbort)
      // A cancel that is still on its way would hit the connection's next user.
      if (!this.#gone) await cancelled
    }
  }

  /** The first cancel may come before the server began the statement. */
  async #cancelWhile(isRunning: () => boolean): Promise<void> {
    const giveUp = setTimeout(() => this.#destroy(), CANCEL_LIMIT)
    while (isRunning()) {
      if (!this.#side) this.#destroy()
      else if (this.#pid !== 0) await this.#side.cancel(this.#pid)
      if (isRunning()) await sleep(CANCEL_INTERVAL)
    }
    clearTimeout(giveUp)
  }

  /** A session keeps what it was granted, also by a statement that was cancelled a moment later. */
  async #giveUp(error: unknown): Promise<void> {
    if (this.#gone) return
    const isRefused = isRowLockError(error) && (error.code === 'LOCK_NOT_AVAILABLE' || error.code === 'LOCK_NOT_SUPPORTED')
    if (this.#inSession) return isRefused ? this.#leave() : this.#destroy()
    await this.#client.query('ROLLBACK').then(
      () => this.#leave(),
      () => this.#destroy(),
    )
  }

  #explain(error: unknown): unknown {
    const explained = explainPgError(error, { key: this.#wait.key, subject: 'the call for the advisory lock' })
    return isRowLockError(explained) && explained.code === 'LOCK_TIMEOUT' ? this.#wait.expired(explained) : explained
  }

  #lose(why: string, cause?: unknown): void {
    this.#stop()
    this.#lost.abort(lockLost(this.#wait.key, why, cause))
    // What its transaction is doing would go on in the server after the connection is closed.
    if (!this.#gone && this.#client.readyForQuery === false && this.#pid !== 0) void this.#side?.cancel(this.#pid)
    this.#destroy()
  }

  #leave(): void {
    this.#detach()
    this.#client.release()
  }

  #destroy(): void {
    if (this.#gone) return
    this.#detach()
    this.#client.release(true)
  }

  #detach(): void {
    this.#gone = true
    this.#client.removeListener('error', this.#onError)
    this.#client.removeListener('end', this.#onError)
  }
}

function pidOf({ rows }: PgResult): number {
  return Number((rows[0] as { pid: unknown }).pid)
}
