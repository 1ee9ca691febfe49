import { type DefaultRenderer, Listr, type ListrTaskWrapper, type SimpleRenderer } from 'listr2'
import type { Fault } from './fault.js'
import { type RunOptions, runFault } from './run-faults.js'
import { describeControl, describeRun, type FaultResult, isGreen } from './verdict.js'

type Task = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>

/** Runs the faults one after another and says of each how it went: as a list on a terminal, else in a line. */
export async function runAll(
  faults: readonly Fault[],
  options: RunOptions,
  onResult: (result: FaultResult) => Promise<void>,
): Promise<FaultResult[]> {
  const results: FaultResult[] = []
  const list = new Listr(
    faults.map((fault) => ({
      title: nameOf(fault),
      task: async (_: unknown, task: Task) => {
        // Ctrl-C ends the fault that is running, and the others are not begun.
        if (options.signal.aborted) return task.skip(`${nameOf(fault)}: not run`)
        const result = await runOne(fault, options, task)
        results.push(result)
        await onResult(result)
        if (result.unavailable !== undefined) task.skip(task.title)
        // The list marks a task that failed; what it failed with is in its title and in the table.
        else if (!isGreen(result)) throw new Error('see the table')
      },
    })),
    {
      renderer: process.stdout.isTTY ? 'default' : 'simple',
      registerSignalListeners: false,
      exitOnError: false,
      rendererOptions: { showErrorMessage: false, collapseErrors: true },
    },
  )
  await list.run()
  return results
}

async function runOne(fault: Fault, options: RunOptions, task: Task): Promise<FaultResult> {
  const parts: string[] = []
  const tell = (text: string) => {
    parts.push(text)
    task.title = `${nameOf(fault)}: ${parts.join('; ')}`
  }
  const result = await runFault(fault, options, {
    // Where lines cannot be written over, they would be all there is to read.
    progress: (text) => process.stdout.isTTY && (task.output = text),
    ran: (ran) => tell(describeRun(ran, fault.sizes.unit)),
    control: (control) => tell(describeControl(control)),
  })
  if (result.unavailable !== undefined) tell(result.unavailable)
  return result
}

const nameOf = ({ id, title }: Fault) => `${id} ${title}`
