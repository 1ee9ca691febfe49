import { startTcpProxy, type TcpProxy } from './tcp-proxy.js'

const KEY_DATA = 'K'.charCodeAt(0)

/**
 * A proxy that announces a process id of its own, as those do that share the server's sessions among their
 * clients: PgBouncer, PgCat, Supavisor.
 */
export function startAnnouncingProxy(databaseUrl: string, processId = 424_242): Promise<TcpProxy> {
  return startTcpProxy(databaseUrl, { onAnswer: (data) => announce(data, processId) })
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
