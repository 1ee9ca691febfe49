import { InvalidOptionError, isRowLockError } from '../core/errors.js'
import { CommandFileError } from './command-file.js'
import { ExitCode } from './exit-code.js'

/** What a command ends with after `error`: what was asked for was wrong, or it could not be done. */
export const exitCodeOf = (error: unknown): number =>
  error instanceof CommandFileError || error instanceof InvalidOptionError ? ExitCode.usage : ExitCode.failed

/** An error in words; one of the user's own file with where it comes from. */
export function explain(error: unknown): string {
  return isRowLockError(error) ? error.message : ((error as Error | undefined)?.stack ?? String(error))
}

/** An error in a sentence: without the stack, where that is of no use, and the URL of the database, which has a password in it. */
export function messageOf(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string }
  return message || code || String(error)
}
