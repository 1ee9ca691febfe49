import { Listr, type DefaultRenderer, type ListrTaskWrapper, type SimpleRenderer } from 'listr2'

type Task = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>

/**
 * Shows steps on a terminal, a line each, which changes while the step runs. A step is begun by the list when the
 * one before it has ended, and ended by its owner.
 *
 * @returns Leaves the lines as they are and gives the terminal back.
 */
export function runSteps(steps: readonly Step[]): () => Promise<void> {
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
  // A step that was closed early fails, and with it the list; the command reports the reason itself.
  const finished = list.run().catch(() => undefined)
  return async () => {
    for (const step of steps) step.fail()
    await finished
  }
}

/** One line of {@link runSteps}. States: waiting -> running (the list reached it) -> ended or failed; the end may come before the list does. */
export class Step {
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
    this.#fail(new Error('The command has ended early.'))
  }
}
