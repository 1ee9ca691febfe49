import { closeClient } from './close-client.js'
import { RaceClientError } from './race-errors.js'
import type { RaceStop } from './race-stop.js'
import { within } from '../core/within.js'

/** Closing a pool takes milliseconds; one that takes longer waits for a query that never ends. */
const CLOSE_TIMEOUT = 5_000
/** After an early end such a query is likely, and the caller wants the error. */
const CLOSE_TIMEOUT_STOPPED = 1_000

/** One client shared by all actors, or a function that makes one for each. */
export type RaceClientSource<Client> = Client | ((actor: number) => Client | PromiseLike<Client>)

/** The clients of one race. States: new -> opening -> open -> closed, and opening -> closed on a stop. */
export class RaceClients<Client> {
  readonly #source: RaceClientSource<Client>
  readonly #actors: number
  readonly #opened = new Map<number, Client>()
  #closed = false

  constructor(source: RaceClientSource<Client>, actors: number) {
    this.#source = source
    this.#actors = actors
  }

  /** Makes every actor's client, and connects those that have `$connect`, so that none starts cold. */
  async open(stop: RaceStop): Promise<void> {
    const source = this.#source
    if (!isFactory(source)) return
    await Promise.all(Array.from({ length: this.#actors }, (_, actor) => this.#openOne(source, actor, stop)))
  }

  get(actor: number): Client {
    return isFactory(this.#source) ? (this.#opened.get(actor) as Client) : this.#source
  }

  /** Closes the clients that were made here, each once; a shared client stays its owner's to close. */
  async close(stop: RaceStop): Promise<void> {
    this.#closed = true
    const actorOf = new Map([...this.#opened].map(([actor, client]) => [client, actor]))
    const timeout = stop.stopped ? CLOSE_TIMEOUT_STOPPED : CLOSE_TIMEOUT
    await Promise.all([...actorOf].map(([client, actor]) => closeInTime(client, actor, timeout, stop)))
  }

  async #openOne(create: (actor: number) => Client | PromiseLike<Client>, actor: number, stop: RaceStop): Promise<void> {
    try {
      const client = await create(actor)
      // The race ended while this client was in the making: nobody else will close it.
      if (this.#closed) return await closeClient(client)
      this.#opened.set(actor, client)
      await connect(client)
    } catch (error) {
      stop.fail((result) => new RaceClientError(actor, 'could not be created', error, result), error)
    }
  }
}

async function closeInTime(client: unknown, actor: number, timeout: number, stop: RaceStop): Promise<void> {
  const fail = (problem: string, cause?: unknown): void => stop.fail((result) => new RaceClientError(actor, problem, cause, result), cause)
  try {
    if ((await within(closeClient(client), timeout)) === 'late') fail(`did not close within ${timeout} ms`)
  } catch (error) {
    fail('could not be closed', error)
  }
}

async function connect(client: unknown): Promise<void> {
  if (typeof client !== 'object' || client === null) return
  const { $connect } = client as { $connect?: () => unknown }
  if (typeof $connect === 'function') await $connect.call(client)
}

function isFactory<Client>(source: RaceClientSource<Client>): source is (actor: number) => Client | PromiseLike<Client> {
  return typeof source === 'function'
}
