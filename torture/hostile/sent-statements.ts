import { AsyncLocalStorage } from 'node:async_hooks'
import pg from 'pg'
import { MARKER } from './thrown.js'

/** Listens to every statement that `pg` sends in this process. */
export class SentStatements implements Disposable {
  /** Texts with something of a caller's in them. */
  readonly injected: string[] = []
  sent = 0
  readonly #calls = new AsyncLocalStorage<{ sent: boolean }>()
  readonly #query = pg.Client.prototype.query

  constructor() {
    const note = (text: unknown) => this.#note(text)
    const original = this.#query as (...args: unknown[]) => unknown
    pg.Client.prototype.query = function (this: unknown, ...args: unknown[]) {
      const [first] = args
      note(typeof first === 'string' ? first : (first as { text?: unknown } | null | undefined)?.text)
      return original.apply(this, args)
    } as never
  }

  /** Runs `call`, and says whether it came to send a statement, as far as that can be told apart. */
  async during(call: () => Promise<void>): Promise<boolean> {
    const store = { sent: false }
    await this.#calls.run(store, call)
    return store.sent
  }

  #note(text: unknown): void {
    this.sent++
    const store = this.#calls.getStore()
    if (store) store.sent = true
    if (typeof text === 'string' && text.includes(MARKER)) this.injected.push(text.slice(0, 200))
  }

  [Symbol.dispose](): void {
    pg.Client.prototype.query = this.#query
  }
}
