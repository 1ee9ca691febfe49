import { InvalidArgumentError } from 'commander'

/** A whole number on the command line; which ones are allowed is for who uses it to say. */
export function parseCount(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(number)) throw new InvalidArgumentError('It must be a whole number.')
  return number
}

/** A JSON object on the command line. */
export function parseJsonObject(text: string): Readonly<Record<string, unknown>> {
  const value = parseJson(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError(`It must be a JSON object, such as '{"amount": 5}'.`)
  }
  return value as Readonly<Record<string, unknown>>
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
