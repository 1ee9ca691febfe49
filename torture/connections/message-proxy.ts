import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** What becomes of a request that commits. */
export type CommitFate =
  /** The connection dies and the request is lost. */
  | 'cut before'
  /** The connection dies when one half of the request is with the server. */
  | 'cut in the middle'
  /** The connection dies when the server has answered, and the answer is lost. */
  | 'cut before the answer'
  /** The request is lost, and both sides stay open: the network has gone silent. */
  | 'silent before'
  /** The server has the request, its answer is lost, and both sides stay open. */
  | 'silent before the answer'
  /** Request and answer come through in small pieces. */
  | 'slow'

/** A proxy in front of the server that knows PostgreSQL's protocol, and by it which request commits. */
export interface MessageProxy extends AsyncDisposable {
  readonly url: string
  /** Arms the fate of the next request that commits; of one, once. */
  arm(fate: CommitFate): void
  /** What the fate that was armed has met, undefined while it has met nothing. */
  readonly met: MetRequest | undefined
}

/** A request that has met its fate. */
export interface MetRequest {
  /** The types of its messages: `BES` is Bind, Execute, Sync. */
  readonly messages: string
}

interface Connection {
  readonly client: Socket
  readonly server: Socket
  /** Of the server's last ReadyForQuery: idle, in a transaction, in a failed one. */
  status: 'I' | 'T' | 'E'
  /** Nothing goes through any more, in either direction, and neither side is told. */
  silent: boolean
  answers: 'pass' | 'lose' | 'slow'
  onReady: (() => void) | undefined
}

interface Message {
  readonly type: string
  readonly bytes: Buffer
}

// In milliseconds and bytes: a request of 300 bytes takes some 20 ms.
const SLOW_PAUSE = 2
const SLOW_PIECE = 32
const LONGEST_SLOW = 100
// How soon the server's TCP keepalive finds out that a silent client has gone: past every time limit of a session.
const KEEPALIVE = 3_000

/**
 * Starts a proxy that reads the messages of both sides. A request is all that a client sends up to a Sync or as a
 * Query: the server answers it as one, and outside a transaction commits it as one.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export async function startMessageProxy(databaseUrl: string): Promise<MessageProxy> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let armed: CommitFate | undefined
  let met: MetRequest | undefined

  const handle = async (connection: Connection, request: readonly Message[]) => {
    const bytes = Buffer.concat(request.map((message) => message.bytes))
    if (connection.silent) return
    if (armed === undefined || !commits(connection, request)) return void connection.server.write(bytes)
    const fate = armed
    armed = undefined
    if (await inflict(fate, connection, bytes)) met = { messages: request.map(({ type }) => type).join('') }
  }

  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    const connection: Connection = { client, server: upstream, status: 'I', silent: false, answers: 'pass', onReady: undefined }
    for (const socket of [client, upstream]) {
      socket.setNoDelay()
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
    }
    // Of a silent network neither side learns that the other is gone.
    upstream.on('close', () => connection.silent || client.destroy())
    client.on('close', () => void (connection.silent ? setTimeout(() => upstream.destroy(), KEEPALIVE).unref() : upstream.destroy()))
    let last = Promise.resolve()
    const toServer = requestsOf((request) => {
      last = last.then(() => handle(connection, request))
    })
    client.on('data', toServer)
    const toClient = messagesOf('server', ({ type, bytes }) => {
      if (type !== 'Z') return
      connection.status = String.fromCharCode(bytes[5]!) as Connection['status']
      connection.onReady?.()
    })
    let written = Promise.resolve()
    upstream.on('data', (data) => {
      toClient(data)
      if (connection.silent || connection.answers === 'lose') return
      const { answers } = connection
      written = written.then(() => (answers === 'slow' ? writeSlowly(client, data) : void client.write(data)))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    arm(fate) {
      armed = fate
      met = undefined
    },
    get met() {
      return met
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** @returns Whether it came to that: not when the server had ended the session before the request reached it. */
async function inflict(fate: CommitFate, connection: Connection, request: Buffer): Promise<boolean> {
  const { client, server } = connection
  const answered = () =>
    new Promise<boolean>((resolve) => {
      connection.onReady = () => resolve(true)
      server.once('close', () => resolve(false))
      if (server.destroyed) resolve(false)
    })
  switch (fate) {
    case 'cut before':
      client.destroy()
      return true
    case 'cut in the middle':
      server.write(request.subarray(0, Math.floor(request.length / 2)), () => client.destroy())
      return true
    case 'silent before':
      connection.silent = true
      return true
    case 'cut before the answer':
    case 'silent before the answer': {
      connection.answers = 'lose'
      server.write(request)
      const came = await answered()
      if (fate === 'cut before the answer') client.destroy()
      else connection.silent = true
      return came
    }
    case 'slow': {
      connection.answers = 'slow'
      // The server may have answered before the last pause is over.
      const [came] = await Promise.all([answered(), writeSlowly(server, request)])
      connection.answers = 'pass'
      return came
    }
  }
}

async function writeSlowly(socket: Socket, data: Buffer): Promise<void> {
  const piece = Math.max(SLOW_PIECE, Math.ceil((data.length * SLOW_PAUSE) / LONGEST_SLOW))
  for (let at = 0; at < data.length; at += piece) {
    socket.write(data.subarray(at, at + piece))
    await sleep(SLOW_PAUSE)
  }
}

/**
 * Whether the server commits when it has run the request: one that says COMMIT, or, outside a transaction, one that
 * opens none.
 */
function commits({ status }: Connection, request: readonly Message[]): boolean {
  const texts = request.map(textOf).filter((text) => text !== undefined)
  if (texts.some((text) => /^\s*(COMMIT|END)\b/i.test(text))) return true
  return (
    status === 'I' && request.some(({ type }) => type === 'E' || type === 'Q') && !texts.some((text) => /^\s*(BEGIN|START)\b/i.test(text))
  )
}

/** The SQL of a Query or a Parse. */
function textOf({ type, bytes }: Message): string | undefined {
  if (type === 'Q') return bytes.toString('utf8', 5, bytes.length - 1)
  if (type !== 'P') return undefined
  const name = bytes.indexOf(0, 5)
  return bytes.toString('utf8', name + 1, bytes.indexOf(0, name + 1))
}

// Parse, Bind, Describe, Execute, Close and Flush.
const WAITING_FOR_SYNC = new Set('PBDECH')

/** Puts the messages of a client together to requests. What is neither a Query nor part of one goes alone. */
function requestsOf(onRequest: (request: readonly Message[]) => void): (data: Buffer) => void {
  let request: Message[] = []
  return messagesOf('client', (message) => {
    request.push(message)
    if (WAITING_FOR_SYNC.has(message.type)) return
    onRequest(request)
    request = []
  })
}

/** Cuts a stream into messages: a byte for the type and four for the length, which the first of a client has only. */
function messagesOf(side: 'client' | 'server', onMessage: (message: Message) => void): (data: Buffer) => void {
  let buffer: Buffer = Buffer.alloc(0)
  let typed = side === 'server'
  return (data) => {
    buffer = buffer.length === 0 ? data : Buffer.concat([buffer, data])
    for (;;) {
      const head = typed ? 1 : 0
      if (buffer.length < head + 4) return
      const length = head + buffer.readInt32BE(head)
      if (buffer.length < length) return
      const type = typed ? String.fromCharCode(buffer[0]!) : ''
      onMessage({ type, bytes: buffer.subarray(0, length) })
      buffer = buffer.subarray(length)
      typed = true
    }
  }
}
