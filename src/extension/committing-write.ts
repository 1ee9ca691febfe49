import type { LastCall } from '../adapter/last-call.js'
import type { TransactionState } from '../adapter/transaction-state.js'
import { CommitNotSupportedError } from '../core/errors.js'
import { parseFlag } from '../core/option-checks.js'
import { whyNotOneStatement } from './one-statement-write.js'
import type { QueryCall } from './query-call.js'

/**
 * Runs a call that carries `commit`. With `true` its statement is sent together with COMMIT, or nothing is sent.
 *
 * @param state Of the transaction that the call runs in; undefined when rowlock has not opened it.
 * @param explain Makes of an error of the call what the caller gets.
 * @throws {InvalidOptionError | CommitNotSupportedError} before anything is sent.
 */
export async function committingWrite(
  call: QueryCall,
  state: TransactionState | undefined,
  explain: (error: unknown) => unknown,
): Promise<unknown> {
  const { commit, ...args } = call.args
  const last = parseFlag(commit, 'commit') ? announce(call, args, state) : undefined
  try {
    return await call.query(args, call.operation)
  } catch (error) {
    throw state && last ? outcomeOf(error, state, last, explain) : explain(error)
  } finally {
    if (last) state?.forgetLastCall()
  }
}

function announce(
  { operation, model, args: { where } }: QueryCall,
  args: Record<string, unknown>,
  state: TransactionState | undefined,
): LastCall {
  const why = state ? whyNotOneStatement(operation, model, args) : 'it is for the `tx` that `$transactionWithRetry` or `withLock` passes in'
  if (why !== undefined || !state) {
    throw new CommitNotSupportedError(`\`commit: true\` was refused on ${model.name}.${operation} and nothing was sent: ${why}.`, {
      model: model.name,
      key: where,
    })
  }
  // Of a row that is not there Prisma says so when the statement has succeeded, and COMMIT with it.
  return state.announceLastCall(operation === 'update' || operation === 'delete')
}

function outcomeOf(error: unknown, state: TransactionState, last: LastCall, explain: (error: unknown) => unknown): unknown {
  if (state.commitError !== undefined) return state.commitError
  if (last.refusal) return last.refusal
  const explained = explain(error)
  // Whoever swallows the error is told it again: the transaction cannot be committed any more.
  if (state.abortedBy !== undefined) state.abortedBy = explained
  return explained
}
