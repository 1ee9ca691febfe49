import { propertyOf } from '../core/option-checks.js'

/** The SQLSTATE, or the code of the system, of what a driver threw. */
export function errorCode(error: unknown): string | undefined {
  const code = propertyOf(error, 'code')
  return typeof code === 'string' ? code : undefined
}

/** Why a server could not be asked, in a few words. Node gives an error without a message when every address fails. */
export function describeError(error: unknown): string {
  const message = propertyOf(error, 'message')
  const text = typeof message === 'string' ? message.split('\n')[0]!.trim() : ''
  return text === '' ? (errorCode(error) ?? 'no reason was given') : text.replace(/\.$/, '')
}
