import { defineCheck } from '../check.js'

/** A row lock is a write: PostgreSQL refuses it on a standby and in a read-only transaction (25006). */
export const writableCheck = defineCheck({
  name: 'writable',
  docs: 'docs/errors.md',
  needs: ['database'],
  run: ({ database: { inRecovery, settings } }) => {
    if (inRecovery) {
      return [
        {
          level: 'problem',
          what: 'The server is a standby, which takes no row locks.',
          todo: 'Connect to the primary, or add `target_session_attrs` to what your driver or proxy chooses by.',
        },
      ]
    }
    if (settings.readOnly === 'on') {
      return [
        {
          level: 'problem',
          what: 'Transactions are read-only (`default_transaction_read_only` is on) and take no row locks.',
          todo: 'Connect as another role, or reset it: ALTER ROLE … RESET default_transaction_read_only.',
        },
      ]
    }
    return [{ level: 'ok', what: 'The server takes row locks.' }]
  },
})
