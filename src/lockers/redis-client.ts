import { propertyOf } from '../core/option-checks.js'
import { InvalidOptionError } from '../core/errors.js'

/** What both libraries' clients have, with parameters that differ. */
interface AnyRedisClient {
  on(event: string, listener: (value: string) => void): unknown
  duplicate(...overrides: never[]): unknown
}

/** A client of ioredis 5 or 6, `Redis` or `Cluster`, as far as `redisLocker` uses it. */
export interface IoRedisClient extends AnyRedisClient {
  readonly isCluster: boolean
  evalsha: unknown
  eval(script: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  disconnect(): unknown
}

/** A client of node-redis (`redis` 4.6 to 6), of one server or a cluster, as far as `redisLocker` uses it. */
export interface NodeRedisClient extends AnyRedisClient {
  evalSha: unknown
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
  subscribe(channel: string, listener: () => void): Promise<unknown>
  unsubscribe(channel: string, listener: () => void): Promise<unknown>
  connect(): Promise<unknown>
  disconnect?(): unknown
  destroy?(): unknown
}

/** A client of either library. It stays the caller's, who connects and closes it. */
export type RedisClient = IoRedisClient | NodeRedisClient

/** A connection of its own for messages, which other commands may not use. It reconnects by itself. */
export interface Subscriber {
  /** Resolves when from now on every message is heard. A channel has one listener, or one that replaces it. */
  subscribe(channel: string, listener: () => void): Promise<void>
  unsubscribe(channel: string, listener: () => void): Promise<void>
  close(): void
}

/** What the locker does with Redis, the same for both libraries. */
export interface RedisCommands {
  run(script: string, key: string, ...args: readonly string[]): Promise<unknown>
  /** `onReady` is called whenever it is connected: messages before that may have been missed. */
  openSubscriber(onReady: () => void): Subscriber
}

const COMMON_METHODS = ['eval', 'subscribe', 'unsubscribe', 'duplicate', 'on']

/** @throws {InvalidOptionError} when it is a client of neither library. */
export function redisCommands(client: RedisClient): RedisCommands {
  if (hasMethods(client, [...COMMON_METHODS, 'evalSha', 'connect'])) return ofNodeRedis(client as NodeRedisClient)
  if (hasMethods(client, [...COMMON_METHODS, 'evalsha', 'disconnect'])) return ofIoRedis(client as IoRedisClient)
  throw new InvalidOptionError('client', client, 'a client of ioredis, or one of node-redis that can subscribe')
}

function hasMethods(client: unknown, methods: readonly string[]): boolean {
  if (typeof client !== 'object' || client === null) return false
  return methods.every((method) => typeof propertyOf(client, method) === 'function')
}

function ofNodeRedis(client: NodeRedisClient): RedisCommands {
  return {
    run: (script, key, ...args) => client.eval(script, { keys: [key], arguments: args as string[] }),

    openSubscriber(onReady) {
      const own = client.duplicate() as NodeRedisClient
      own.on('error', ignore)
      own.on('ready', onReady)
      const connected = own.connect()
      connected.catch(ignore)
      return {
        async subscribe(channel, listener) {
          await connected
          await own.subscribe(channel, listener)
        },
        async unsubscribe(channel, listener) {
          await own.unsubscribe(channel, listener)
        },
        close: () => closeNodeRedis(own),
      }
    },
  }
}

/** Closes it without waiting; a connection that never came about is refused with an error. */
function closeNodeRedis(client: NodeRedisClient): void {
  try {
    // `disconnect` is how 4 does it.
    Promise.resolve((client.destroy ?? client.disconnect)?.call(client)).catch(ignore)
  } catch {
    return
  }
}

// Without a queue a command would have to wait for the connection, and without its subscriptions a
// connection that has come back would be silent.
const SUBSCRIBER = { enableOfflineQueue: true, autoResubscribe: true }

function ofIoRedis(client: IoRedisClient): RedisCommands {
  return {
    run: (script, key, ...args) => client.eval(script, 1, key, ...args),

    openSubscriber(onReady) {
      // A cluster takes other nodes first.
      const overrides = client.isCluster ? [[], SUBSCRIBER] : [SUBSCRIBER]
      const own = client.duplicate(...(overrides as never[])) as IoRedisClient
      const listeners = new Map<string, () => void>()
      own.on('error', ignore)
      own.on('ready', onReady)
      own.on('message', (channel: string) => listeners.get(channel)?.())
      return {
        async subscribe(channel, listener) {
          listeners.set(channel, listener)
          await own.subscribe(channel)
        },
        async unsubscribe(channel) {
          listeners.delete(channel)
          await own.unsubscribe(channel)
        },
        close: () => void own.disconnect(),
      }
    },
  }
}

// Every error also reaches the command that it breaks.
const ignore = () => undefined
