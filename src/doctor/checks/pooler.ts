import { defineCheck } from '../check.js'
import type { Remark } from '../finding.js'

/** A proxy between client and server, such as PgBouncer, and what it shares among its clients. */
export const poolerCheck = defineCheck({
  name: 'pooler',
  docs: 'docs/guarantees.md#behind-a-proxy',
  needs: ['database'],
  run: ({ client, database: { pooler } }) => {
    if (pooler.kind === 'none') return [{ level: 'ok', what: 'The connection leads straight to the server.' }]
    if (pooler.mode === 'statement') return [STATEMENT]
    if (pooler.mode === 'session') return [SESSION]
    const { carriesPrepared } = pooler
    // Without a client it may yet be one that prepares: `lockable` does by default.
    const prepares = client?.preparesStatements ?? client?.wrapped ?? true
    return carriesPrepared === false && prepares ? [TRANSACTION, NOT_CARRIED] : [TRANSACTION]
  },
})

const STATEMENT: Remark = {
  level: 'problem',
  what: 'The connection leads through a proxy in statement mode, which has no transactions, and so no row locks.',
  todo: 'Set the proxy to transaction mode (`pool_mode = transaction` in PgBouncer), or connect directly.',
}

const SESSION: Remark = {
  level: 'note',
  what: 'The connection leads through a proxy that was not seen to share sessions; `advisoryLocker` in session scope is refused all the same.',
  todo: 'Use its transaction scope, or connect directly for it.',
}

const TRANSACTION: Remark = {
  level: 'note',
  what: 'The connection leads through a proxy in transaction mode: row locks work, `advisoryLocker` in session scope is refused, and SET does not last.',
  todo: 'Use the transaction scope of `advisoryLocker`, and ALTER ROLE … SET instead of SET.',
}

const NOT_CARRIED: Remark = {
  level: 'problem',
  what: 'The proxy does not carry prepared statements from one session of the server to another, so that they fail now and then.',
  todo: 'Set `max_prepared_statements` of PgBouncer 1.21 or newer, or use `lockable(adapter, { preparedStatements: false })`.',
}
