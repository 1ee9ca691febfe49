import { propertyOf } from '../core/option-checks.js'
import type { RaceErrorSample } from './race-result.js'

/** Turns anything that was thrown into plain data; never throws itself. */
export function describeError(error: unknown, index: number): RaceErrorSample {
  if (!(typeof error === 'object' && error !== null)) {
    return {
      index,
      name: `thrown ${typeof error}`,
      code: undefined,
      message: typeof error === 'function' ? 'a function' : String(error),
      error,
    }
  }
  const [name, code, message] = ['name', 'code', 'message'].map((field) => propertyOf(error, field))
  return {
    index,
    name: typeof name === 'string' && name !== 'Error' ? name : nameOfClass(error),
    code: typeof code === 'string' || typeof code === 'number' ? String(code) : undefined,
    message: typeof message === 'string' ? message : '',
    error,
  }
}

/** What an error is counted under. The code comes first: Prisma gives all its errors one name. */
export function errorKey({ code, name }: RaceErrorSample): string {
  return code === undefined || code === '' ? name : code
}

// `class SoldOut extends Error {}` without a `name` of its own still says "Error".
function nameOfClass(error: object): string {
  const name = propertyOf(propertyOf(error, 'constructor'), 'name')
  return typeof name === 'string' && name !== '' ? name : 'Error'
}
