import { type GrantedLock, lockLost } from './create-locker.js'
import type { LeaseStore } from './lease-store.js'

// Of the ttl: how long after a renewal the next one is sent, how soon after one that failed, and when a
// holder that could not renew gives up. It gives up before the lease expires, as a timer may come late.
const RENEWED_AFTER = 1 / 3
const RETRIED_AFTER = 1 / 10
const GIVEN_UP_AFTER = 9 / 10

const HAD_EXPIRED = 'it had expired, or was taken over'

/** What was granted, and when it was asked for, on the clock of `performance.now()`. */
export interface LeaseGrant {
  readonly key: string
  readonly owner: string
  readonly token: bigint
  readonly askedAt: number
}

/**
 * One holder's lease.
 *
 * ```
 * held ──renewed──▶ held ──release──▶ released
 * held ──not renewed in time, or taken over──▶ lost ──release──▶ released
 * ```
 *
 * Time counts from when the last successful statement was sent, which is before the server began to
 * count, and on a clock that nobody sets.
 *
 * The timers let the process end: a lease that nobody works under any more is not worth living for, and
 * expires.
 */
export class Lease implements GrantedLock {
  readonly fencingToken: bigint
  readonly #store: LeaseStore
  readonly #ttl: number
  readonly #key: string
  readonly #owner: string
  readonly #losing = new AbortController()
  #released = false
  /** When to give up, if nothing is renewed until then. */
  #deadline = 0
  #giveUp: NodeJS.Timeout | undefined
  #nextRenewal: NodeJS.Timeout | undefined
  #failure: unknown

  constructor(store: LeaseStore, ttl: number, { key, owner, token, askedAt }: LeaseGrant) {
    this.fencingToken = token
    this.#store = store
    this.#ttl = ttl
    this.#key = key
    this.#owner = owner
    this.#extend(askedAt)
    // From when it was asked for: a grant that took long has used up part of the lease.
    this.#renewAfter(Math.max(0, askedAt + ttl * RENEWED_AFTER - performance.now()))
  }

  get lost(): AbortSignal {
    return this.#losing.signal
  }

  /** Never fails, and waits no longer than the lease would last: when it cannot be given back, it expires. */
  async release(): Promise<void> {
    // Work that never let a timer run finds out here.
    if (performance.now() >= this.#deadline) this.#expire()
    this.#released = true
    this.#stop()
    let timer: NodeJS.Timeout | undefined
    const expired = new Promise<void>((resolve) => (timer = setTimeout(resolve, this.#deadline - performance.now())))
    await Promise.race([this.#giveBack(), expired])
    clearTimeout(timer)
  }

  async #giveBack(): Promise<void> {
    const held = await this.#store.release(this.#key, this.#owner).catch(() => true)
    if (!held) this.#lose(HAD_EXPIRED)
  }

  #renewAfter(delay: number): void {
    clearTimeout(this.#nextRenewal)
    this.#nextRenewal = setTimeout(() => void this.#renew(), delay).unref()
  }

  async #renew(): Promise<void> {
    // A process that was stopped comes here first, and finds out late.
    if (performance.now() >= this.#deadline) return this.#expire()
    const askedAt = performance.now()
    // Set before the answer, which may never come.
    this.#renewAfter(this.#ttl * RENEWED_AFTER)
    try {
      const held = await this.#store.renew(this.#key, this.#owner)
      if (this.#ended) return
      if (held) this.#extend(askedAt)
      else this.#lose(HAD_EXPIRED)
    } catch (error) {
      this.#failure = error
      if (!this.#ended) this.#renewAfter(this.#ttl * RETRIED_AFTER)
    }
  }

  /** Answers may come in another order than they were asked for. */
  #extend(askedAt: number): void {
    const deadline = askedAt + this.#ttl * GIVEN_UP_AFTER
    if (deadline <= this.#deadline) return
    this.#deadline = deadline
    clearTimeout(this.#giveUp)
    this.#giveUp = setTimeout(() => this.#expire(), deadline - performance.now()).unref()
  }

  #expire(): void {
    this.#lose(`it was not renewed within its ttl of ${this.#ttl} ms`)
  }

  #lose(why: string): void {
    this.#stop()
    this.#losing.abort(lockLost(this.#key, why, this.#failure))
  }

  get #ended(): boolean {
    return this.#released || this.lost.aborted
  }

  #stop(): void {
    clearTimeout(this.#giveUp)
    clearTimeout(this.#nextRenewal)
  }
}
