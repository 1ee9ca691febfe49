import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** An address that clients keep while the server behind it changes, as a virtual IP or a service's name is. */
export interface Front extends AsyncDisposable {
  /** The URL of a database, by way of it. */
  through(databaseUrl: string): string
  /** Sends new connections to another port. Those that are open stay as they are. */
  leadTo(port: number): void
}

export async function startFront(port: number): Promise<Front> {
  const sockets = new Set<Socket>()
  let target = port
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: '127.0.0.1', port: target, noDelay: true })
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const own = String((server.address() as AddressInfo).port)
  return {
    through(databaseUrl) {
      const url = new URL(databaseUrl)
      url.port = own
      return url.href
    },
    leadTo: (changed) => (target = changed),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
