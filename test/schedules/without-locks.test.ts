import { describe, expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'
import { exploreScenario, lockingClient, withoutLocksOn } from './scenarios/explore-scenario.js'
import { batchProof, lockProofs, seatScenarios } from './scenarios/locks.js'
import { joined } from './scenarios/scenario.js'

// Behind every row lock of the repositories stands a guard that keeps the totals right without it. What
// these scenarios ask for, only the lock keeps: taken out, it must turn its own proof red.

const database = useDatabase()
const search = { mode: 'complete', time: 60_000 } as const

// In transactions: an operation as one statement has its lock in the statement that changes the row.
const proofs = lockProofs.map((proof) => ({ ...proof, scenario: joined(proof.scenario, { others: ['deletion', 'renaming'] }) }))

describe.each([...proofs, batchProof])('$lock', ({ table, scenario }) => {
  test(`${scenario.title}: held`, async () => {
    const report = await exploreScenario(scenario, lockingClient, database.url, search)
    expect(report, report.text()).toMatchObject({ verdict: 'held', coverage: { kind: 'complete' }, counts: { deadlocked: 0, retried: 0 } })
    expect(report.counts.blocked).toBeGreaterThan(0)
  }, 90_000)

  test(`${scenario.title}: no longer without the lock on ${table}`, async () => {
    const report = await exploreScenario(scenario, withoutLocksOn(table), database.url, { time: 60_000 })
    expect(report, report.text()).toMatchObject({ verdict: 'violated' })
  }, 90_000)
})

// Whatever is done to a seat is right without its lock as well, by the guard; the lock says who waits.
describe('buyAnyTicket locks the seat', () => {
  const held = async (client: typeof lockingClient, scenario: (typeof seatScenarios)['enough']) => {
    const report = await exploreScenario(scenario, client, database.url, search)
    expect(report, report.text()).toMatchObject({ verdict: 'held', coverage: { kind: 'complete' } })
    return report.counts
  }

  test('no buyer waits while there are enough; without the lock some do', async () => {
    expect((await held(lockingClient, seatScenarios.enough)).blocked).toBe(0)
    expect((await held(withoutLocksOn('Ticket'), seatScenarios.enough)).blocked).toBeGreaterThan(0)
  }, 180_000)

  test('the buyers of the last seat wait at the lock, which makes other schedules than to wait in the update', async () => {
    const { schedules: withLock } = await held(lockingClient, seatScenarios.last)
    const { schedules: without } = await held(withoutLocksOn('Ticket'), seatScenarios.last)
    expect(withLock).not.toBe(without)
  }, 180_000)
})

describe.each(lockProofs)('$lock, also as one statement', ({ scenario }) => {
  test(`${scenario.title}: held`, async () => {
    const report = await exploreScenario(scenario, lockingClient, database.url, search)
    expect(report, report.text()).toMatchObject({ verdict: 'held', coverage: { kind: 'complete' }, counts: { deadlocked: 0, retried: 0 } })
  }, 90_000)
})

test('the second `lockable` that takes locks out breaks nothing by itself', async () => {
  for (const { scenario } of proofs.slice(0, 3)) {
    const report = await exploreScenario(scenario, withoutLocksOn('Order'), database.url, search)
    expect(report, report.text()).toMatchObject({ verdict: 'held', coverage: { kind: 'complete' } })
  }
}, 90_000)
