import { inspect } from 'node:util'
import { isRowLockError } from 'rowlock'
import { propertyOf } from '../../src/core/option-checks.js'
import { show } from '../show.js'
import type { HostileCall } from './arguments.js'
import type { Target } from './target.js'

const LONGEST_MESSAGE = 2_000

/** What is wrong with how a call ended, or undefined. Whatever has been thrown may throw again when it is looked at. */
export function judgeError(error: unknown, call: HostileCall, { throws = [] }: Target): string | undefined {
  const { byCallbacks, byLooking } = call.thrown
  if (byCallbacks.some((one) => Object.is(one, error)) || isReasonOfSignal(error, call)) return undefined
  if (isRowLockError(error) && isSound(error)) return judgeOwn(error, call)
  if (call.foreign && (byLooking.some((one) => Object.is(one, error)) || isOfPrisma(error))) return undefined
  const name = nameOf(error)
  if (throws.includes(name)) return undefined
  return `threw ${show(error)}`
}

function judgeOwn(error: Error, { thrown }: HostileCall): string | undefined {
  const looked = thrown.byLooking.length
  if (error.message.length > LONGEST_MESSAGE) return `a message of ${error.message.length} characters`
  // Node cannot show a revoked proxy that a callback of the caller's has thrown and that is the cause.
  if (thrown.byCallbacks.some((one) => Object.is(one, error.cause))) return undefined
  if (inspect(error).length > 1_000_000) return 'an error that takes a megabyte to show'
  return thrown.byLooking.length === looked ? undefined : 'an error that looks at what was given when it is shown'
}

/** And no object that only bears the brand. */
const isSound = (error: unknown): error is Error => error instanceof Error && typeof error.message === 'string'

/** Prisma's own word for its arguments, or what it stumbled over before it handed them on. */
function isOfPrisma(error: unknown): boolean {
  if (nameOf(error).startsWith('PrismaClient')) return true
  const where =
    error instanceof Error
      ? (error.stack ?? '').split('\n').find((line) => /^\s+at .*[/\\]/.test(line) && !line.includes('node:'))
      : undefined
  return where?.includes('node_modules/@prisma/') ?? false
}

function nameOf(error: unknown): string {
  try {
    return String((error as { name?: unknown }).name)
  } catch {
    return ''
  }
}

/** The caller's own signal ends a call with its reason, whatever that is. */
function isReasonOfSignal(error: unknown, { signals }: HostileCall): boolean {
  return signals.some((signal) => propertyOf(signal, 'aborted') === true && Object.is(signal.reason, error))
}
