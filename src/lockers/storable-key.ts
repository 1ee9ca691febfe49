import { createHash } from 'node:crypto'

// Well-formed text without control characters, of a length that every index holds, which no digest looks like.
const STORABLE = /^(?!sha256:)[^\p{Cc}\p{Cs}]{1,200}$/u

/**
 * What a store calls a key: the key itself, where people can read it, or else a digest. Two keys never share
 * a name, also not those that differ only in what UTF-8 cannot express (unpaired surrogates) or PostgreSQL
 * cannot store (NUL).
 */
export function storableKey(key: string): string {
  // UTF-16 is what the string is made of: nothing is lost before the digest.
  return STORABLE.test(key) ? key : `sha256:${createHash('sha256').update(key, 'utf16le').digest('hex')}`
}
