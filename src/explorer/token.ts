import { InvalidOptionError } from '../core/errors.js'
import { type Choice, formatSchedule, parseSchedule } from './schedule.js'

const PREFIX = 'rowlock1.'

/** A schedule as a short text to paste into a test or a command line. */
export function formatToken(actors: readonly string[], choices: readonly Choice[]): string {
  return PREFIX + Buffer.from(JSON.stringify([actors, formatSchedule(choices)])).toString('base64url')
}

/** @throws {InvalidOptionError} when the token is not one of ours, or is for other actors. */
export function parseToken(token: unknown, actors: readonly string[]): Choice[] {
  const [names, schedule] = decode(token)
  if (names.join() !== actors.join()) {
    throw new InvalidOptionError('token', token, `a token for the actors ${actors.join(', ')}; this one is for ${names.join(', ')}`)
  }
  return parseSchedule(schedule)
}

function decode(token: unknown): [string[], string] {
  try {
    if (typeof token === 'string' && token.startsWith(PREFIX)) {
      const value: unknown = JSON.parse(Buffer.from(token.slice(PREFIX.length), 'base64url').toString())
      if (Array.isArray(value) && Array.isArray(value[0]) && /^(?:v?\d+ ?)*$/.test(String(value[1])))
        return [value[0] as string[], String(value[1])]
    }
  } catch {
    // Not base64, or not JSON: the error below says what is wanted.
  }
  throw new InvalidOptionError('token', token, 'a token as printed by an exploration (`rowlock1.…`)')
}
