import { type PgClient, type PgConnection, type PgQuery, type QueryConfig, queryClassOf } from './pg-driver.js'

/** Statements that go ahead of another one. */
export interface StatementsBefore {
  readonly texts: readonly string[]
  /** Told each row that they return. */
  readonly onRow: (fields: readonly unknown[]) => void
  /** Set when the first of them has succeeded. */
  hasBegun: boolean
}

/** What became of a COMMIT that was sent behind a statement. */
export interface CommitReport {
  /** Whether it was handed to the connection. */
  sent: boolean
  /** Whether the statement before it has succeeded. PostgreSQL skips it otherwise. */
  reached: boolean
  /** How the server answered it: `COMMIT`, or `ROLLBACK` when there was nothing left to commit. */
  tag: string | undefined
}

/** What goes out together with a statement. */
export interface Companions {
  readonly before?: StatementsBefore
  readonly commit?: CommitReport | undefined
}

/**
 * Sends a statement and its companions in one round trip. All goes out before one Sync: when one of them fails,
 * PostgreSQL skips what follows, which sent as a message of its own would run. So a BEGIN that fails leaves
 * nothing to be run outside a transaction, and a statement that fails leaves nothing to be committed.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING
 */
export function sendPiped(client: PgClient, config: QueryConfig, companions: Companions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const query = new (queryClassOf(client)!)(config, undefined, (error, result) => {
      if (error) reject(error)
      else resolve(result)
    })
    // In this order: COMMIT goes behind the statement and not behind each that goes before it.
    if (companions.commit) commitBehind(query, companions.commit)
    if (companions.before) goBehind(query, companions.before)
    void client.query(query)
  })
}

/** Makes a query send other statements before itself. */
function goBehind(query: PgQuery, before: StatementsBefore): void {
  const { name } = query
  const own = ownHandlers(query)
  let answered = 0
  const isOver = () => answered === before.texts.length
  query.prepare = (connection) => {
    for (const text of before.texts) execute(connection, text)
    // Or what they return would come with the answer of a statement that waits for a lock.
    connection.flush()
    own.prepare.call(query, connection)
    // The client takes each answer to a Parse for that of the named statement.
    query.name = undefined
  }
  query.handleCommandComplete = (message, connection) => {
    if (isOver()) return own.handleCommandComplete.call(query, message, connection)
    answered++
    before.hasBegun = true
    if (isOver()) query.name = name
  }
  query.handleDataRow = (message) => (isOver() ? own.handleDataRow.call(query, message) : before.onRow(message.fields))
  query.handleError = (error, connection) => {
    if (!isOver() && name !== undefined) delete connection.submittedNamedStatements?.[name]
    own.handleError.call(query, error, connection)
  }
}

/** Makes a query send COMMIT behind itself. */
function commitBehind(query: PgQuery, report: CommitReport): void {
  const own = ownHandlers(query)
  query.prepare = (connection) => own.prepare.call(query, withCommit(connection, report))
  query.handleCommandComplete = (message, connection) => {
    if (report.reached) report.tag = message.text
    else own.handleCommandComplete.call(query, message, connection)
    report.reached = true
  }
}

/**
 * A view of the connection whose Execute takes COMMIT along. Not its Sync: of a statement with a value that cannot
 * be sent the driver sends the Sync and not the Execute.
 */
function withCommit(connection: PgConnection, report: CommitReport): PgConnection {
  const executeWithCommit = (portal: object) => {
    connection.execute(portal)
    execute(connection, 'COMMIT')
    report.sent = true
  }
  return Object.create(connection, { execute: { value: executeWithCommit } }) as PgConnection
}

const ownHandlers = ({ prepare, handleCommandComplete, handleDataRow, handleError }: PgQuery) => ({
  prepare,
  handleCommandComplete,
  handleDataRow,
  handleError,
})

function execute(connection: PgConnection, text: string): void {
  connection.parse({ text })
  connection.bind({})
  connection.execute({})
}
