import { once } from 'node:events'
import { connect } from 'node:net'

/** Tells whether anything accepts a connection there. */
export async function isReachable(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
