/**
 * A proxy in front of the database, in a process of its own, through which every answer takes some time
 * longer: a network of that round-trip time. It counts what clients send at once: round trips, where each
 * waits for its answer.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'

export interface LatencyProxy {
  /** The database's URL, by way of the proxy. */
  readonly url: string
  /** What was sent since the last call. */
  takeSent(): Promise<number>
  stop(): void
}

/** @param delay The time of a round trip, in milliseconds. */
export async function startLatencyProxy(databaseUrl: string, delay: number): Promise<LatencyProxy> {
  const child = fork(fileURLToPath(import.meta.url), [databaseUrl, String(delay)])
  const ask = async () => Number((await once(child, 'message'))[0])
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String(await ask())
  return {
    url: url.href,
    async takeSent() {
      child.send('take')
      return ask()
    },
    stop: () => void child.kill(),
  }
}

function serve(target: URL, delay: number): void {
  let sent = 0
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port: Number(target.port), host: target.hostname, noDelay: true })
    client.on('data', (data) => {
      sent++
      upstream.write(data)
    })
    upstream.on('data', (data) => void setTimeout(() => client.write(data), delay))
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('error', () => undefined).on('close', () => to.destroy())
    }
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
  process.on('message', () => {
    process.send?.(sent)
    sent = 0
  })
  process.on('disconnect', () => process.exit())
}

const [, script, target, delay] = process.argv
if (script === fileURLToPath(import.meta.url) && target !== undefined) serve(new URL(target), Number(delay))
