import { startTcpProxy, type TcpProxy } from './tcp-proxy.js'

const KEY_DATA = 'K'.charCodeAt(0)

// What PgBouncer before 1.20 lets a client set when it connects; it refuses every other connection.
const KNOWN_SETTINGS = ['user', 'database', 'client_encoding', 'datestyle', 'timezone', 'standard_conforming_strings', 'application_name']
const PROTOCOL_3 = 196_608

/**
 * A proxy that announces a process id of its own, as those do that share the server's sessions among their
 * clients: PgBouncer, PgCat, Supavisor. Like PgBouncer 1.18 it refuses clients that connect with other settings than
 * the few it tracks.
 */
export async function startAnnouncingProxy(databaseUrl: string, processId = 424_242): Promise<TcpProxy> {
  const proxy = await startTcpProxy(databaseUrl, { onAnswer: (data) => announce(data, processId) })
  proxy.fate = (data) => (settingsOf(data).every((name) => KNOWN_SETTINGS.includes(name.toLowerCase())) ? 'pass' : 'cut')
  return proxy
}

/** The names in a startup message; none of any other. */
function settingsOf(data: Buffer): string[] {
  if (data.length < 8 || data.readInt32BE(0) !== data.length || data.readInt32BE(4) !== PROTOCOL_3) return []
  const words = data.toString('utf8', 8).split('\0')
  return words.filter((word, index) => index % 2 === 0 && word !== '')
}

/** Replaces the process id of a BackendKeyData message, if the answer has one; it comes in one piece with its neighbours. */
function announce(data: Buffer, processId: number): Buffer {
  for (let at = 0; at + 5 <= data.length; at += 1 + data.readInt32BE(at + 1)) {
    if (data[at] !== KEY_DATA) continue
    const changed = Buffer.from(data)
    changed.writeInt32BE(processId, at + 5)
    return changed
  }
  return data
}
