import { Listr, type DefaultRenderer, type ListrTaskWrapper, type SimpleRenderer } from 'listr2'
import { isRight, type DemoVersionResult } from '../../report/demo-result.js'
import type { DemoEvent, DemoListener } from './demo-event.js'
import type { Scenario } from './scenario.js'

type Task = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>

/** A task list on a terminal: one line a scenario, which changes while it runs. */
export interface TerminalProgress {
  readonly onEvent: DemoListener
  /** Leaves the lines as they are and gives the terminal back. */
  close(): Promise<void>
}

/**
 * Shows a demo on a terminal. The list follows the demo's events: a task is begun by the list and ended
 * by the event that says so, or by `close`.
 */
export function createTerminalProgress(scenarios: readonly Scenario[]): TerminalProgress {
  const steps = [new Step('Starting PostgreSQL'), ...scenarios.map(({ title, raced, rule }) => new Step(`${title}: ${raced} ${rule}`))]
  const list = new Listr(
    steps.map((step) => ({ title: step.title, task: (_, task) => step.run(task) })),
    {
      renderer: 'default',
      // Ctrl-C is the command's: the list would end the process before the database is gone.
      registerSignalListeners: false,
      exitOnError: true,
      rendererOptions: { collapseErrors: true, showErrorMessage: false },
    },
  )
  // A task that was closed early fails, and with it the list; the command reports the reason itself.
  const finished = list.run().catch(() => undefined)
  const versions: string[] = []
  let current = 0
  const onEvent = (event: DemoEvent): void => {
    const step = steps[current]
    if (event.type === 'started') steps[current++]?.end(`PostgreSQL is running (${event.database})`)
    else if (event.type === 'scenario') versions.length = 0
    else if (event.type === 'version')
      step?.show([...versions, `${event.version}: racing${event.round > 1 ? ` once more, right by luck` : ''}`])
    else if (event.type === 'racing') {
      const { requests, fulfilled, rejected } = event.progress
      step?.show([...versions, `racing: ${fulfilled + rejected} of ${requests} answered`])
    } else if (event.type === 'version-done') {
      versions.push(describe(event.result))
      step?.show(versions)
    } else if (event.type === 'scenario-done') {
      step?.end(`${event.result.title}: ${versions.join(', ')}`)
      current++
    }
  }
  return {
    onEvent,
    async close() {
      for (const step of steps) step.fail()
      await finished
    },
  }
}

function describe(result: DemoVersionResult): string {
  return `${result.version} ${isRight(result) ? 'right' : 'wrong'}`
}

/** States: waiting -> running (the list reached it) -> ended or failed; the end may come before the list does. */
class Step {
  readonly title: string
  readonly #outcome: Promise<string>
  #task: Task | undefined
  #end!: (title: string) => void
  #fail!: (reason: Error) => void

  constructor(title: string) {
    this.title = title
    this.#outcome = new Promise((resolve, reject) => {
      this.#end = resolve
      this.#fail = reject
    })
    // A step that the list never reaches has nobody else to hear of its failure.
    this.#outcome.catch(() => undefined)
  }

  async run(task: Task): Promise<void> {
    this.#task = task
    task.title = await this.#outcome
  }

  show(parts: readonly string[]): void {
    if (this.#task) this.#task.output = parts.join(', ')
  }

  end(title: string): void {
    this.#end(title)
  }

  fail(): void {
    this.#fail(new Error('The demo has ended early.'))
  }
}
