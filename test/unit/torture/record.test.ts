import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Conditions } from '../../../torture/conditions.js'
import type { Fault } from '../../../torture/fault.js'
import { readRecord, writeRecord } from '../../../torture/record.js'
import { renderReport } from '../../../torture/report.js'
import { isGreen } from '../../../torture/verdict.js'

const conditions: Conditions = {
  ...{ seed: 7, sizes: 'ci', date: '2026-11-29', processors: 2 },
  versions: { PostgreSQL: '18.4', Node: '20.20.2', Prisma: '7.10.0', rowlock: '0.1.0' },
}
const outcome = { faults: 3, operations: 9, notes: ['seen'] }
const fault: Fault = {
  ...{ id: 'F0', title: 'nothing', how: 'not at all', sizes: { full: 100, ci: 3, unit: 'kills' } },
  run: async () => outcome,
  controls: [{ without: 'the lock', breaks: 'lost', size: 2, run: async () => outcome }],
}

test('a record that is read again says what the run said', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rowlock-record-'))
  try {
    const control = fault.controls[0]!
    const results = [{ fault, ran: { outcome, seconds: 1 }, controls: [{ control, outcome: { ...outcome, lost: 2 }, seconds: 1 }] }]
    const file = join(folder, 'run.json')
    await writeRecord(file, results, conditions)
    const record = await readRecord(file)
    expect(record).toMatchObject({ seed: 7, sizes: 'ci', faults: [{ green: true }] })
    expect(record.faults.every(isGreen)).toBe(true)
    expect(renderReport(record.faults, record)).toBe(renderReport(results, conditions))
  } finally {
    await rm(folder, { recursive: true })
  }
})
