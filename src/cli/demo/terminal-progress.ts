import { isRight, type DemoVersionResult } from '../../report/demo-result.js'
import type { DemoEvent, DemoListener } from './demo-event.js'
import { runSteps, Step } from '../terminal-steps.js'
import type { Scenario } from './scenario.js'

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
  const close = runSteps(steps)
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
  return { onEvent, close }
}

function describe(result: DemoVersionResult): string {
  return `${result.version} ${isRight(result) ? 'right' : 'wrong'}`
}
