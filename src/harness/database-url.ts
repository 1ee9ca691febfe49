import { InvalidOptionError } from '../core/errors.js'

// Prisma's own URL parameters. Any other client would send them on as server settings, and
// PostgreSQL refuses a connection with a setting that it does not know.
const PRISMA_ONLY = [
  'schema',
  'connection_limit',
  'pool_timeout',
  'socket_timeout',
  'pgbouncer',
  'statement_cache_size',
  'single_use_connections',
  'sslaccept',
  'sslidentity',
  'sslpassword',
]

/** Parses a PostgreSQL URL and drops the parameters that only Prisma understands. */
export function parseDatabaseUrl(url: unknown, option: string): URL {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || !['postgres:', 'postgresql:'].includes(parsed.protocol) || !isDecodable(parsed.pathname)) {
    // Never the text itself: it may hold a password.
    throw new InvalidOptionError(option, typeof url === 'string' ? '***' : url, 'a URL that begins with postgresql://')
  }
  for (const name of PRISMA_ONLY) parsed.searchParams.delete(name)
  return parsed
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

/** The same server and user, another database. */
export function withDatabaseName(url: string, name: string): string {
  const changed = new URL(url)
  changed.pathname = `/${encodeURIComponent(name)}`
  return changed.href
}

/** The database that a URL names. */
export function databaseName(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1))
}

/** Adds settings that every session opened with the URL starts with. */
export function withSessionSettings(url: string, settings: Readonly<Record<string, string>>): string {
  const changed = new URL(url)
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${escapeOption(value)}`)
  const given = changed.searchParams.get('options')
  const all = given ? [given, ...options] : options
  changed.searchParams.delete('options')
  const query = [changed.searchParams.toString()]
  // URLSearchParams writes a space as +, which not every client reads as a space.
  if (all.length > 0) query.push(`options=${encodeURIComponent(all.join(' '))}`)
  changed.search = query.filter(Boolean).join('&')
  return changed.href
}

/** PostgreSQL splits `options` at spaces; a backslash keeps one inside a value. */
export function escapeOption(value: string): string {
  return value.replaceAll(/[\\\s]/g, (character) => `\\${character}`)
}
