/**
 * The SQLSTATEs that rowlock acts on. Errors are told apart by these codes and never by message text,
 * which PostgreSQL translates.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export const SQL_STATE = {
  lockNotAvailable: '55P03',
  deadlockDetected: '40P01',
  serializationFailure: '40001',
  queryCanceled: '57014',
  inFailedTransaction: '25P02',
  idleInTransactionTimeout: '25P03',
  transactionTimeout: '25P04',
  readOnlyTransaction: '25006',
  tooManyConnections: '53300',
  cannotConnectNow: '57P03',
  featureNotSupported: '0A000',
  unknownStatementName: '26000',
  duplicateStatementName: '42P05',
} as const

/** True for the codes that PostgreSQL sends while it ends the session: 08xxx, 57P0x, 25P03, 25P04. */
export function endsConnection(sqlState: string): boolean {
  return (
    sqlState.startsWith('08') ||
    sqlState.startsWith('57P') ||
    sqlState === SQL_STATE.idleInTransactionTimeout ||
    sqlState === SQL_STATE.transactionTimeout
  )
}

/** True for the codes by which PostgreSQL refuses a new connection for now: nothing can have been sent on it. */
export function refusesConnection(sqlState: string): boolean {
  return sqlState === SQL_STATE.tooManyConnections || sqlState === SQL_STATE.cannotConnectNow
}
