import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** What a {@link HolderProcess} can be told to do with the lease of a key. */
export interface HolderCommands {
  /** Takes the lease, and resolves with its token. */
  hold(key: string): Promise<bigint>
  release(key: string): Promise<void>
  /** The code of the error with which the lease was lost. */
  whyLost(key: string): Promise<string | undefined>
  /** Writes under the lease, in a guarded transaction. */
  write(key: string): Promise<string>
  writeUnguarded(key: string): Promise<string>
  /** Begins a guarded transaction, and resolves once it is guarded. */
  begin(key: string): Promise<void>
  /** Writes in the transaction that was begun, and commits it. */
  finish(key: string): Promise<string>
  /** Leaves the process nothing to do but its timers. */
  leave(key: string): Promise<void>
}

export interface HolderRequest {
  readonly id: number
  readonly command: string
  readonly key: string
}

interface HolderAnswer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

export interface HolderOptions {
  readonly url: string
  readonly ttl: number
  /** By how many milliseconds the process's Date is wrong. */
  readonly shiftClock?: number
  /** A module beside this one, or its URL. Default: the one whose leases are rows. */
  readonly program?: string
  readonly args?: readonly string[]
}

type CommandsOf<Commands> = { [C in keyof Commands]: (key: string) => Promise<unknown> }

/** A process of its own that holds leases, or what else its program serves; a failed command resolves with the error's code. */
export class HolderProcess<Commands extends CommandsOf<Commands> = HolderCommands> implements AsyncDisposable {
  readonly exited: Promise<unknown>
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (value: unknown) => void>()
  #lastId = 0

  static async start<Commands extends CommandsOf<Commands> = HolderCommands>(options: HolderOptions): Promise<HolderProcess<Commands>> {
    const { url, ttl, shiftClock = 0, program = 'lease-holder.ts', args = [] } = options
    const child = fork(new URL(program, import.meta.url), [url, String(ttl), ...args], {
      execArgv: ['--import', 'tsx'],
      serialization: 'advanced',
      env: { ...process.env, SHIFT_CLOCK: String(shiftClock) },
    })
    const holder = new HolderProcess<Commands>(child)
    await new Promise((resolve, reject) => {
      holder.#waiting.set(0, resolve)
      child.once('exit', (code) => reject(new Error(`The holder ended with ${code}.`)))
    })
    return holder
  }

  private constructor(child: ChildProcess) {
    this.#child = child
    this.exited = once(child, 'exit')
    child.on('message', ({ id, value, error }: HolderAnswer) => {
      this.#waiting.get(id)?.(error ?? value)
      this.#waiting.delete(id)
    })
  }

  /** What a stopped process is told, it does when it goes on. */
  tell<C extends keyof Commands & string>(command: C, key: string): Promise<Awaited<ReturnType<Commands[C]>>> {
    const id = ++this.#lastId
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve))
    this.#child.send({ id, command, key } satisfies HolderRequest)
    return answer as never
  }

  stop(): void {
    this.#child.kill('SIGSTOP')
  }

  goOn(): void {
    this.#child.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}
