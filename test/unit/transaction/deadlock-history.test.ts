import { DeadlockError, LockTimeoutError } from 'rowlock'
import { expect, test } from 'vitest'
import { deadlocksOf, recordDeadlock } from '../../../src/transaction/deadlock-history.js'

const deadlock = (key?: unknown) => new DeadlockError('aborted', { model: 'Wallet', key })

test('a deadlock is kept with what is known of it, once, for the client and all that was made of it', () => {
  const client = {}
  const error = deadlock({ id: 1 })
  recordDeadlock({ _originalClient: client }, error, { label: 'transfer', detail: 'Process 1 waits' })
  recordDeadlock(client, error)
  expect(deadlocksOf(client)).toEqual([
    { at: expect.any(Date) as Date, label: 'transfer', model: 'Wallet', key: { id: 1 }, detail: 'Process 1 waits' },
  ])
  expect(deadlocksOf({})).toEqual([])
})

test('what is unknown is not there', () => {
  const client = {}
  recordDeadlock(client, new DeadlockError('aborted'), { label: undefined, detail: undefined })
  expect(Object.keys(deadlocksOf(client)[0]!)).toEqual(['at'])
})

test('other errors are none', () => {
  const client = {}
  for (const error of [new LockTimeoutError('late'), new Error('DEADLOCK'), { code: 'DEADLOCK' }, undefined, 'DEADLOCK']) {
    recordDeadlock(client, error)
  }
  expect(deadlocksOf(client)).toEqual([])
})

test('the last 50 are kept, the latest first', () => {
  const client = {}
  for (let key = 1; key <= 60; key++) recordDeadlock(client, deadlock(key))
  expect(deadlocksOf(client).map(({ key }) => key)).toEqual(Array.from({ length: 50 }, (_, index) => 60 - index))
})
