import { isRight } from '../../report/demo-result.js'
import { formatDuration, formatLoss } from '../../report/format.js'
import type { DemoListener } from './demo-event.js'

/** Tells a demo's progress in lines that never change, for a pipe, a file or a CI log. */
export function createPlainProgress(print: (line: string) => void): DemoListener {
  return (event) => {
    if (event.type === 'starting') print('Starting PostgreSQL …')
    else if (event.type === 'started') print(`PostgreSQL is running (${event.database}).`)
    else if (event.type === 'scenario') {
      const { title, raced, rule } = event.scenario
      print(`[${event.position}/${event.of}] ${title}: ${raced} ${rule}`)
    } else if (event.type === 'version') {
      if (event.round > 1) print(`      ${event.version.padEnd(8)} right by luck, race ${event.round}`)
    } else if (event.type === 'version-done') {
      const { version, attempts, succeeded, expected, lost, duration } = event.result
      const outcome = `${succeeded} of ${attempts} succeeded, ${expected} should; lost: ${formatLoss(lost)}; ${formatDuration(duration)}`
      print(`      ${version.padEnd(8)} ${isRight(event.result) ? 'right' : 'wrong'}: ${outcome}`)
    }
  }
}
