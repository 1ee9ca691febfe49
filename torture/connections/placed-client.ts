import { Client, type PoolConfig } from 'pg'

/** Stops a client of `pg` right before it sends: whoever wraps the adapter knows statements, and not connections. */
export interface Placement {
  /** Calls `reached` once, with the backend, before the next statement or the next COMMIT goes out, and waits for it. */
  arm(before: 'a statement' | 'COMMIT', reached: (pid: number) => Promise<unknown>): void
}

type Query = (...args: readonly unknown[]) => unknown

/** A class of clients of its own, for one pool. */
export function placedClients(): { readonly Client: PoolConfig['Client']; readonly placement: Placement } {
  let armed: { readonly before: 'a statement' | 'COMMIT'; readonly reached: (pid: number) => Promise<unknown> } | undefined

  const query = Client.prototype.query as unknown as Query

  class PlacedClient extends Client {}
  PlacedClient.prototype.query = function (this: Client, ...args: readonly unknown[]) {
    const send = () => query.apply(this, [...args])
    if (!armed || (armed.before === 'COMMIT' && textOf(args[0]) !== 'COMMIT')) return send()
    const { reached } = armed
    armed = undefined
    const sent = reached((this as unknown as { processID: number }).processID).then(send)
    // As `pg` itself: nothing for who has a callback, a promise for who has none.
    return hasCallback(args) ? undefined : sent
  } as Client['query']

  return {
    Client: PlacedClient,
    placement: {
      arm(before, reached) {
        armed = { before, reached }
      },
    },
  }
}

const textOf = (query: unknown) => (typeof query === 'string' ? query : (query as { text?: unknown } | null)?.text)

const hasCallback = (args: readonly unknown[]) =>
  args.some((arg) => typeof arg === 'function') || typeof (args[0] as { callback?: unknown } | null)?.callback === 'function'
