import { parse } from 'pg-connection-string'
import { inOneLine } from '../../report/plain-text.js'

/** `shop on localhost:5432`: the database of a URL, without user and password. */
export function describeDatabase(url: string): string {
  const { database, host, port } = parse(url)
  const server = [host ?? 'localhost', port].filter(Boolean).join(':')
  return inOneLine(database ? `${database} on ${server}` : server)
}
