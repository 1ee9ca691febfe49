import { within } from '../core/within.js'

/** A connection of its own by the driver `pg`, as the pool of a client would open it. */
export interface Connection extends AsyncDisposable {
  /** What the server, or a proxy in its place, announced as its process id. */
  readonly announcedPid: number | undefined
  /** @throws What the server says, and an error when it says nothing in time. */
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>
  /** As {@link query}, prepared under a name. */
  queryPrepared<Row>(name: string, text: string): Promise<Row[]>
}

/** Opens a {@link Connection}. */
export type OpenConnection = () => Promise<Connection>

/** What is used of a client of `pg`. */
interface PgClient {
  readonly processID?: number | null
  connect(): Promise<unknown>
  query(query: { text: string; values?: unknown[]; name?: string }): Promise<{ rows: unknown[] }>
  end(): Promise<void>
  on(event: 'error', listener: () => void): unknown
}

/** What is used of a `pg.Pool`, or of the module itself. */
interface ClientSource {
  readonly Client: new (options: never) => PgClient
  readonly options: object
}

// In milliseconds. A proxy without a free session lets its clients wait for minutes.
const ANSWER_LIMIT = 10_000

/** Opens connections with the client class and the options of a pool, which need not have one free. */
export function connectionsLike(pool: object): OpenConnection {
  const { Client, options } = pool as ClientSource
  return async () => {
    const client = new Client(options as never)
    // A connection that ends in between fails its next statement.
    client.on('error', () => undefined)
    const end = () => within(client.end(), 1_000).catch(() => undefined)
    const answer = async <T>(work: Promise<T>): Promise<T> => {
      const answered = await within(work, ANSWER_LIMIT)
      if (answered !== 'late') return answered
      throw new Error(`The server did not answer within ${ANSWER_LIMIT / 1_000} s.`)
    }
    const query = async <Row>(statement: { text: string; values?: unknown[]; name?: string }) =>
      (await answer(client.query(statement))).rows as Row[]
    try {
      await answer(client.connect())
    } catch (error) {
      void end()
      throw error
    }
    return {
      announcedPid: client.processID ?? undefined,
      query: (text, values = []) => query({ text, values: [...values] }),
      queryPrepared: (name, text) => query({ name, text }),
      [Symbol.asyncDispose]: async () => void (await end()),
    }
  }
}
