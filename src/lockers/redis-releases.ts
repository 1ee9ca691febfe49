import type { RedisCommands, Subscriber } from './redis-client.js'

// Whoever waits for a key often waits again soon, and a connection costs more than a second of keeping it.
const KEPT_FOR = 1_000

interface Topic {
  /** Aborted at the next release, and replaced. */
  next: AbortController
  readonly listener: () => void
  readonly subscribed: Promise<void>
  watches: number
  idle: NodeJS.Timeout | undefined
}

/** Hears of the releases of one lock, until it is disposed. */
export interface ReleaseWatch extends Disposable {
  /** Resolves when every release from now on is heard. */
  readonly ready: Promise<void>
  /** Aborted at the first release after the call: ask for it before you ask for the lock, and none is missed. */
  next(): AbortSignal
}

/**
 * Tells those who wait that a lock was released: one connection for all locks of a locker, opened when
 * somebody waits and closed soon after nobody does, so that a program can end.
 */
export class ReleaseFeed {
  readonly #redis: RedisCommands
  readonly #topics = new Map<string, Topic>()
  #subscriber: Subscriber | undefined

  constructor(redis: RedisCommands) {
    this.#redis = redis
  }

  watch(channel: string): ReleaseWatch {
    const topic = this.#topics.get(channel) ?? this.#open(channel)
    topic.watches++
    clearTimeout(topic.idle)
    return {
      ready: topic.subscribed,
      next: () => topic.next.signal,
      [Symbol.dispose]: () => this.#leave(channel, topic),
    }
  }

  #open(channel: string): Topic {
    this.#subscriber ??= this.#redis.openSubscriber(() => this.#wakeAll())
    const listener = () => wake(topic)
    const subscribed = this.#subscriber.subscribe(channel, listener)
    const topic: Topic = { next: new AbortController(), listener, subscribed, watches: 0, idle: undefined }
    // Whoever comes next tries again.
    subscribed.catch(() => this.#close(channel, topic))
    this.#topics.set(channel, topic)
    return topic
  }

  #leave(channel: string, topic: Topic): void {
    topic.watches--
    if (topic.watches === 0) topic.idle = setTimeout(() => this.#close(channel, topic), KEPT_FOR)
  }

  #close(channel: string, topic: Topic): void {
    if (this.#topics.get(channel) !== topic) return
    this.#topics.delete(channel)
    if (this.#topics.size > 0) {
      this.#subscriber?.unsubscribe(channel, topic.listener).catch(() => undefined)
      return
    }
    this.#subscriber?.close()
    this.#subscriber = undefined
  }

  /** What was said while the connection was broken is lost: everybody asks again. */
  #wakeAll(): void {
    for (const topic of this.#topics.values()) wake(topic)
  }
}

function wake(topic: Topic): void {
  const { next } = topic
  topic.next = new AbortController()
  next.abort()
}
