import { expect, test } from 'vitest'
import type { Acknowledgement, Journaled } from '../../../torture/journal.js'
import { OPENING } from '../../../torture/movement.js'
import { compareLedger, type Ledger, type LedgerEntry, type LedgerRecord } from '../../../torture/verify-ledger.js'

const NOTHING = { lost: 0, doubled: 0, phantoms: 0, falseNegatives: 0, unresolved: 0, wrong: 0, untyped: 0 }
const ok = (entry: string): Acknowledgement => ({ said: 'ok', entry })
const refused: Acknowledgement = { said: 'refused', error: 'ConnectionLostError' }
const unknown: Acknowledgement = { said: 'unknown', error: 'AmbiguousCommitError' }

/** Movement 1 is a withdrawal of 0.01 by user 7. */
function withdrawal(calls: Journaled['calls'], key?: string): Journaled {
  return { movement: { id: 1, kind: 'withdraw', userId: 7, ...(key === undefined ? {} : { key }) }, calls }
}

const entry = (id: string, more: Partial<LedgerEntry> = {}): LedgerEntry => ({ id, userId: 7, amount: '-0.01', ...more })
const record = (more: Partial<LedgerRecord> = {}): LedgerRecord => ({ operation: 'withdraw', key: 'k', entry: '10', ...more })

function tallyOf(journaled: readonly Journaled[], ledger: Partial<Ledger>) {
  const { operations, notes, ...tally } = compareLedger(journaled, { entries: [], records: [], violations: [], ...ledger })
  const found = Object.values(tally).reduce((sum, count) => sum + count, 0)
  // Whatever is counted is also named.
  expect(notes.some((note) => !note.includes('without an answer'))).toBe(found > 0)
  expect(operations).toBe(journaled.flatMap(({ calls }) => calls).length)
  return tally
}

test.each<[string, Journaled[], Partial<Ledger>]>([
  ['a success that is there', [withdrawal([ok('10')])], { entries: [entry('10')] }],
  ['a refusal that is not', [withdrawal([refused])], {}],
  ['an opening for each wallet', [], { entries: [entry('1', { amount: OPENING }), entry('2', { amount: OPENING, userId: 8 })] }],
  ['an unknown without a key that was committed', [withdrawal([unknown])], { entries: [entry('10')] }],
  ['an unknown without a key that was not', [withdrawal([unknown])], {}],
  ['an unknown that its key has settled', [withdrawal([unknown, ok('10')], 'k')], { entries: [entry('10')], records: [record()] }],
  [
    'a call that was never answered and settled later',
    [withdrawal([undefined, refused, ok('10')], 'k')],
    { entries: [entry('10')], records: [record()] },
  ],
])('%s is as it should be', (_, journaled, ledger) => {
  expect(tallyOf(journaled, ledger)).toEqual(NOTHING)
})

test.each<[keyof typeof NOTHING, string, Journaled[], Partial<Ledger>]>([
  ['lost', 'a success that is not there', [withdrawal([ok('10')])], {}],
  ['doubled', 'a movement that is there twice', [withdrawal([ok('10')])], { entries: [entry('10'), entry('11')] }],
  ['doubled', 'a retry without a key after an unknown', [withdrawal([unknown, ok('11')])], { entries: [entry('10'), entry('11')] }],
  ['phantoms', 'an entry that nobody intended', [], { entries: [entry('10')] }],
  ['phantoms', 'an entry in another wallet', [withdrawal([refused])], { entries: [entry('10', { userId: 8 })] }],
  ['phantoms', 'a credit in place of a withdrawal', [withdrawal([refused])], { entries: [entry('10', { amount: '0.01' })] }],
  ['phantoms', 'a second opening', [], { entries: [entry('1', { amount: OPENING }), entry('2', { amount: OPENING })] }],
  ['phantoms', 'a record that nobody intended', [], { records: [record()] }],
  ['falseNegatives', 'a refusal that is there', [withdrawal([refused])], { entries: [entry('10')] }],
  ['falseNegatives', 'a refusal that has left its record', [withdrawal([refused], 'k')], { records: [record()] }],
  ['unresolved', 'an unknown with a key that nobody has settled', [withdrawal([unknown], 'k')], {}],
  ['unresolved', 'a refusal after an unknown', [withdrawal([unknown, refused], 'k')], {}],
  ['unresolved', 'a killed call with a key that nobody has settled', [withdrawal([undefined], 'k')], {}],
  ['unresolved', 'an unknown that was settled as done and is not there', [withdrawal([unknown, ok('10')])], {}],
  [
    'unresolved',
    'an unknown that was settled with another result',
    [withdrawal([unknown, ok('9')], 'k')],
    { entries: [entry('10')], records: [record()] },
  ],
  ['wrong', 'a result that names another entry', [withdrawal([ok('9')])], { entries: [entry('10')] }],
  ['wrong', 'an entry without its record', [withdrawal([ok('10')], 'k')], { entries: [entry('10')] }],
  [
    'wrong',
    'a record that names another entry',
    [withdrawal([ok('10')], 'k')],
    { entries: [entry('10')], records: [record({ entry: '9' })] },
  ],
  ['wrong', 'a balance that is not the sum of its entries', [], { violations: ['wallet 1: balance is the sum of the entries'] }],
  ['untyped', 'an error that is none of ours', [withdrawal([{ said: 'untyped', error: 'TypeError: x' }])], {}],
])('counts as %s: %s', (kind, _, journaled, ledger) => {
  expect(tallyOf(journaled, ledger)).toEqual({ ...NOTHING, [kind]: 1 })
})

test('says how many calls had no answer, and how many of those without a key were committed', () => {
  const { notes } = compareLedger([withdrawal([unknown])], { entries: [entry('10')], records: [], violations: [] })
  expect(notes).toEqual(['1 calls without an answer, 1 of them without a key: 1 of those were committed'])
})
