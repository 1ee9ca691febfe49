import { InvalidOptionError } from '../core/errors.js'
import { KeyedSemaphore, type Release } from '../core/keyed-semaphore.js'
import { isArray, parseNumber, readOptions } from '../core/option-checks.js'
import { type AdvisoryLockKey, encodeKey } from '../sql/advisory-lock-key.js'
import { originalClient } from './transaction-client.js'

/** A gate by its key, with a width of its own. */
export interface GateOptions {
  /** A string, whole number, bigint, or a tuple of these. Equal values are the same gate. */
  readonly key: AdvisoryLockKey
  /**
   * How many callers of the key are let through at once: 1 to 1,000. Default: 2, so that the second one's
   * way to the row overlaps with the first one's commit. A caller takes the share 1/`width` of its gate:
   * where widths differ, a caller of width 1 is let through alone, one of width 2 beside another half.
   */
  readonly width?: number
}

/**
 * Where a transaction queues before it takes a connection: callers of one key wait in this process, in the
 * order in which they came, and hold no connection while they do. They are those of one client and all
 * that was made of it by `$extends`.
 *
 * A gate spares the connection pool; it is no lock. Other processes and callers that name no gate pass it
 * by, and the row lock decides between them as always.
 *
 * @example
 * ```ts
 * await prisma.$transactionWithRetry((tx) => tx.event.findUnique({ where: { id: 7 }, lock: 'forNoKeyUpdate' }), {
 *   gate: ['event', 7],
 *   signal: AbortSignal.timeout(10_000), // ends the wait, too
 * })
 * ```
 */
export type Gate = AdvisoryLockKey | GateOptions

/**
 * The gate of `withLock`: `true` for one of the model and the `where`, `{ width }` for the same of that
 * width, or a {@link Gate}, to share it with callers that name the row in another way.
 *
 * @example
 * ```ts
 * await prisma.wallet.withLock({ where: { userId: 1 } }, async (wallet) => wallet.balance, { gate: true })
 * ```
 */
export type RowGate = true | AdvisoryLockKey | Partial<GateOptions>

/** A validated {@link Gate}. */
export interface GateSettings {
  readonly key: string
  /** As the caller gave it. */
  readonly name: AdvisoryLockKey
  /** What one caller takes of {@link WHOLE}. */
  readonly share: number
}

// `width` shares of the width fit, and one more does not, for every width up to the root of this.
const WHOLE = Number.MAX_SAFE_INTEGER
const MAX_WIDTH = 1_000
const DEFAULT_WIDTH = 2

const gates = new WeakMap<object, KeyedSemaphore>()

/** The gates of a client, which must be the one before any `$extends`: that is who has the pool. */
export function gatesOf(original: object): KeyedSemaphore {
  const known = gates.get(original) ?? new KeyedSemaphore(WHOLE)
  gates.set(original, known)
  return known
}

/** Who wants to know who queues. */
interface GateReport {
  queued(gate: GateSettings, position: number): void
}

/**
 * Waits for its turn at the gate.
 *
 * @throws The signal's reason when it is aborted before.
 */
export function enterGate(client: object, gate: GateSettings, signal?: AbortSignal, report?: GateReport): Promise<Release> {
  const onWait = report && ((position: number) => report.queued(gate, position))
  return gatesOf(originalClient(client)).acquire(gate.key, gate.share, signal, onWait)
}

/** Runs `run` when its turn at the gate has come. */
export async function passGate<R>(client: object, gate: GateSettings, run: () => Promise<R>): Promise<R> {
  const leave = await enterGate(client, gate)
  try {
    return await run()
  } finally {
    leave()
  }
}

/** @throws {InvalidOptionError} for a key or width that is not allowed. */
export function parseGate(gate: Gate): GateSettings
export function parseGate(gate: Gate | undefined): GateSettings | undefined
export function parseGate(gate: Gate | undefined): GateSettings | undefined {
  if (gate === undefined) return undefined
  if (isKey(gate)) return gateSettings(gate, encodeKey(gate, 'gate'))
  gate = readOptions(gate, ['key', 'width'], 'gate')
  const width = parseNumber(gate.width, 'gate.width', { min: 1, max: MAX_WIDTH })
  return gateSettings(gate.key, encodeKey(gate.key, 'gate.key'), width)
}

const gateSettings = (name: AdvisoryLockKey, key: string, width = DEFAULT_WIDTH): GateSettings => ({
  name,
  key,
  share: Math.floor(WHOLE / width),
})

/** Anything that is no object of options is to be a key. */
const isKey = (gate: Gate | Partial<GateOptions> | boolean): gate is AdvisoryLockKey =>
  typeof gate !== 'object' || gate === null || isArray(gate)

/**
 * Gives the gate of a `withLock` its key, where it has none of its own.
 *
 * @throws {InvalidOptionError} when it needs one and `where` cannot be written down.
 */
export function toGate(gate: RowGate | undefined, model: string, where: unknown): Gate | undefined {
  if (gate === undefined || (gate !== true && isKey(gate))) return gate
  const { key = [model, describeWhere(where)], ...rest } = gate === true ? {} : readOptions(gate, ['key', 'width'], 'gate')
  return { key, ...rest }
}

/** The same text for the same `where`. What two of them share by accident is a queue, and never a row. */
function describeWhere(where: unknown): string {
  try {
    return JSON.stringify(where, (_, value: unknown) => {
      if (typeof value === 'number' || typeof value === 'bigint') return `#${value}`
      return isRecord(value) ? sortKeys(value) : value
    })
  } catch {
    throw new InvalidOptionError('where', where, 'an object that can be written as JSON, or the gate be given a `key` of its own')
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

const sortKeys = (record: Record<string, unknown>) => Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
