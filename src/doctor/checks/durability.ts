import { defineCheck } from '../check.js'
import type { Remark } from '../finding.js'

/** With these off a commit that was confirmed can be gone after a crash, and two callers have the same ticket. */
export const durabilityCheck = defineCheck({
  name: 'durability',
  docs: 'docs/guarantees.md#on-which-settings',
  needs: ['database'],
  run: ({ database: { settings } }) => {
    const remarks: Remark[] = []
    for (const [name, value] of [
      ['fsync', settings.fsync],
      ['full_page_writes', settings.fullPageWrites],
    ] as const) {
      if (value !== 'off') continue
      remarks.push({
        level: 'problem',
        what: `\`${name}\` is off: a crash of the machine may damage everything, also what was committed long ago.`,
        todo: `Set ${name} = on, except on a database for tests.`,
      })
    }
    if (settings.synchronousCommit === 'off') {
      remarks.push({
        level: 'warning',
        what: '`synchronous_commit` is off: commits that were confirmed shortly before a crash are gone after it.',
        todo: 'Set synchronous_commit = on for everything that a caller is told is done.',
      })
    }
    return remarks.length > 0 ? remarks : [{ level: 'ok', what: 'A commit that was confirmed is on disk.' }]
  },
})
