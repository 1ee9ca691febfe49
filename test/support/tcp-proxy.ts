import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** What becomes of a piece of data that a client sends. */
export type Fate =
  /** Both sides live on. */
  | 'pass'
  /** The client's side dies at once; the server gets the data and its side dies after the answer. */
  | 'deliver and cut'
  /** Both sides die and the data is lost. */
  | 'cut'
  /** The data is lost and both sides stay open, as when a network goes silent. */
  | 'swallow'

/** A proxy in front of the database that can cut connections at a chosen statement. */
export interface TcpProxy extends AsyncDisposable {
  /** The database's URL, by way of the proxy. */
  readonly url: string
  /** Decides about each piece of data from a client, which waits for the decision; passes everything until set. */
  fate: (data: Buffer) => Fate | Promise<Fate>
}

export interface TcpProxyOptions {
  /** What becomes of a piece of data that the server sends. Default: it is passed on. */
  readonly onAnswer?: (data: Buffer) => Buffer
}

export async function startTcpProxy(databaseUrl: string, { onAnswer = (data) => data }: TcpProxyOptions = {}): Promise<TcpProxy> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  const proxy = { fate: (): Fate => 'pass' } as { fate: TcpProxy['fate'] }
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
    }
    upstream.on('data', (data) => client.write(onAnswer(data)))
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
    let last = Promise.resolve()
    client.on('data', (data) => {
      last = last.then(async () => deal(await proxy.fate(data), data, client, upstream))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  return Object.assign(proxy, {
    url: url.href,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  })
}

function deal(fate: Fate, data: Buffer, client: Socket, upstream: Socket): void {
  if (fate === 'pass') upstream.write(data)
  if (fate === 'cut') client.destroy()
  if (fate === 'deliver and cut') {
    client.removeAllListeners('close')
    client.destroy()
    upstream.removeAllListeners('data')
    upstream.on('data', () => upstream.destroy())
    upstream.write(data)
  }
}
