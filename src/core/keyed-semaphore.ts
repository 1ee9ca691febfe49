/** Gives back what was granted; further calls do nothing. */
export type Release = () => void

interface Waiter {
  readonly permits: number
  readonly grant: () => void
}

interface Entry {
  free: number
  /** In order of arrival; a Set, so that one that gives up leaves without a search. */
  waiters: Set<Waiter> | undefined
}

/**
 * A fair counting semaphore for each key: callers of one key are served strictly in the order in which
 * they came, callers of different keys never wait for each other, and a key that nobody holds takes no
 * memory.
 *
 * With the whole capacity for exclusive use and one permit for shared use it is a readers-writer lock in
 * which no writer starves: a reader that comes after a waiting writer waits behind it.
 */
export class KeyedSemaphore {
  readonly capacity: number
  readonly #entries = new Map<unknown, Entry>()

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** How many keys are held. */
  get size(): number {
    return this.#entries.size
  }

  /** Takes the permits at once, or returns undefined when others hold them or came first. */
  tryAcquire(key: unknown, permits: number): Release | undefined {
    const entry = this.#entries.get(key) ?? this.#open(key)
    if (entry.free < permits || (entry.waiters?.size ?? 0) > 0) return undefined
    entry.free -= permits
    return this.#releaseOnce(key, entry, permits)
  }

  /**
   * Waits for its turn.
   *
   * @param onWait Told that it has to wait, and its place among those who do, from 1.
   * @throws The signal's reason when it is aborted before the turn has come; nothing is then held.
   */
  async acquire(key: unknown, permits: number, signal?: AbortSignal, onWait?: (position: number) => void): Promise<Release> {
    signal?.throwIfAborted()
    const granted = this.tryAcquire(key, permits)
    if (granted) return granted
    const entry = this.#entries.get(key)!
    const turn = this.#wait(key, entry, permits, signal)
    onWait?.(entry.waiters!.size)
    return turn
  }

  #wait(key: unknown, entry: Entry, permits: number, signal: AbortSignal | undefined): Promise<Release> {
    return new Promise((resolve, reject) => {
      const waiters = (entry.waiters ??= new Set())
      const onAbort = () => {
        waiters.delete(waiter)
        // It may have been the one that those behind it could not pass.
        this.#serve(key, entry)
        reject(signal!.reason)
      }
      const waiter: Waiter = {
        permits,
        grant: () => {
          signal?.removeEventListener('abort', onAbort)
          resolve(this.#releaseOnce(key, entry, permits))
        },
      }
      waiters.add(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  #open(key: unknown): Entry {
    const entry: Entry = { free: this.capacity, waiters: undefined }
    this.#entries.set(key, entry)
    return entry
  }

  #releaseOnce(key: unknown, entry: Entry, permits: number): Release {
    let held = true
    return () => {
      if (!held) return
      held = false
      entry.free += permits
      this.#serve(key, entry)
    }
  }

  #serve(key: unknown, entry: Entry): void {
    for (const waiter of entry.waiters ?? []) {
      if (waiter.permits > entry.free) return
      entry.waiters!.delete(waiter)
      entry.free -= waiter.permits
      waiter.grant()
    }
    if (entry.free === this.capacity) this.#entries.delete(key)
  }
}
