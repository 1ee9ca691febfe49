import { type FileHandle, open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isRowLockError } from 'rowlock'
import type { Movement } from './movement.js'

/** What a caller was told of one call. */
export type Acknowledgement =
  /** It was done. `entry` is the ledger entry of its result, if it had one. */
  | { readonly said: 'ok'; readonly entry?: string }
  /** It was not done: an error of this class. */
  | { readonly said: 'refused'; readonly error: string }
  /** Nobody knows. */
  | { readonly said: 'unknown'; readonly error: string }
  /** An error that is none of rowlock's. Who gets one takes the call for failed. */
  | { readonly said: 'untyped'; readonly error: string }

/** A movement and what its calls were told, in order. */
export interface Journaled {
  readonly movement: Movement
  /** One for each call; undefined when the process ended, or was killed, before it was told. */
  readonly calls: readonly (Acknowledgement | undefined)[]
}

type Line =
  | { readonly intent: Movement; readonly call: number }
  | { readonly id: number; readonly call: number; readonly acknowledged: Acknowledgement }

/** What an error tells its caller. `AmbiguousCommitError` alone leaves open what happened. */
export function acknowledgementOf(error: unknown): Acknowledgement {
  if (!isRowLockError(error)) return { said: 'untyped', error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }
  return { said: error.code === 'AMBIGUOUS_COMMIT' ? 'unknown' : 'refused', error: error.name }
}

/**
 * What one process meant to do and was told, in a file of its own: on disk before the call, and before anything
 * that follows from the answer, so that a kill -9 at any point leaves a true account.
 */
export class Journal implements AsyncDisposable {
  readonly #file: FileHandle
  #calls = 0
  #waiting: { readonly line: Line; readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = []
  #writing: Promise<void> | undefined

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /** Opens a new journal; a process that takes the place of a killed one has a journal of its own. */
  static async open(folder: string, name: string): Promise<Journal> {
    return new Journal(await open(join(folder, `${name}${ENDING}`), 'ax'))
  }

  /** Writes down what is about to be called. Resolves with the number of the call once that is on disk. */
  async intend(movement: Movement): Promise<number> {
    const call = ++this.#calls
    await this.#write({ intent: movement, call })
    return call
  }

  /** Writes down what a call was told. */
  acknowledge({ id }: Movement, call: number, acknowledged: Acknowledgement): Promise<void> {
    return this.#write({ id, call, acknowledged })
  }

  /** Calls `run` between its intent and its acknowledgement. Never fails for what `run` fails with. */
  async record(movement: Movement, run: () => Promise<unknown>): Promise<Acknowledgement> {
    const call = await this.intend(movement)
    const acknowledged = await run().then(entryOf, acknowledgementOf)
    await this.acknowledge(movement, call, acknowledged)
    return acknowledged
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing
    await this.#file.close()
  }

  #write(line: Line): Promise<void> {
    const written = new Promise<void>((resolve, reject) => this.#waiting.push({ line, resolve, reject }))
    this.#writing ??= this.#writeAll()
    return written
  }

  /** What came while the disk was busy goes with one flush. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      try {
        await this.#file.appendFile(batch.map(({ line }) => `${JSON.stringify(line)}\n`).join(''))
        await this.#file.datasync()
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#writing = undefined
  }
}

const ENDING = '.journal'

/** All that the journals of a folder say, whoever wrote them: a later process may have called again. */
export async function readJournals(folder: string): Promise<Journaled[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(ENDING)).sort()
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')))
  const all = new Map<number, { movement: Movement; calls: Map<string, Acknowledgement | undefined> }>()
  // Intents first: of two journals the one that acknowledges may be read before the one that began.
  const lines = texts.flatMap((text, journal) => linesOf(text).map((line) => ({ line, journal })))
  for (const { line, journal } of lines) {
    if (!('intent' in line)) continue
    const known = all.get(line.intent.id) ?? { movement: line.intent, calls: new Map() }
    if (!isSame(known.movement, line.intent)) throw new Error(`Two movements have the id ${line.intent.id}: that run proves nothing.`)
    known.calls.set(`${journal}/${line.call}`, undefined)
    all.set(line.intent.id, known)
  }
  for (const { line, journal } of lines) {
    if ('intent' in line) continue
    const calls = all.get(line.id)?.calls
    if (!calls?.has(`${journal}/${line.call}`)) throw new Error(`A call of movement ${line.id} was acknowledged that was never begun.`)
    calls.set(`${journal}/${line.call}`, line.acknowledged)
  }
  return [...all.values()].map(({ movement, calls }) => ({ movement, calls: [...calls.values()] }))
}

/** The end of a line that was cut off was on nobody's disk, so that nothing has followed from it. */
function linesOf(text: string): Line[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line)
}

function isSame(one: Movement, other: Movement): boolean {
  return one.kind === other.kind && one.userId === other.userId && one.key === other.key
}

function entryOf(result: unknown): Acknowledgement {
  const id = (result as { entry?: { id?: unknown } } | null | undefined)?.entry?.id
  return typeof id === 'bigint' ? { said: 'ok', entry: id.toString() } : { said: 'ok' }
}
