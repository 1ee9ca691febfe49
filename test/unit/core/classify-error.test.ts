import { isRowLockError } from 'rowlock'
import { describe, expect, test } from 'vitest'
import { classifyError, classifyFailedCommit, describeKey, type ErrorContext } from '../../../src/core/classify-error.js'
import { errorSqlState } from '../../../src/core/error-sql-state.js'
import { endsConnection } from '../../../src/core/sql-state.js'

/** The shapes in which adapter-pg and Prisma 7.10 pass a SQLSTATE on. */
const shapes: [string, (sqlState: string) => unknown][] = [
  ['the adapter’s own error', driverError],
  ['a model query’s error', (sqlState) => ({ code: 'P2039', meta: { modelName: 'User', driverAdapterError: driverError(sqlState) } })],
  ['a raw query’s error', (sqlState) => ({ code: 'P2010', meta: { driverAdapterError: driverError(sqlState) } })],
  [
    'an error that went through JSON',
    (sqlState) => JSON.parse(JSON.stringify({ meta: { driverAdapterError: driverError(sqlState) } })) as unknown,
  ],
  [
    'a write conflict',
    (sqlState) => ({
      code: 'P2034',
      meta: { driverAdapterError: { cause: { kind: 'TransactionWriteConflict', originalCode: sqlState } } },
    }),
  ],
  ['an adapter without originalCode', (sqlState) => ({ cause: { kind: 'postgres', code: sqlState } })],
]

function driverError(sqlState: string): object {
  return { name: 'DriverAdapterError', cause: { kind: 'postgres', code: sqlState, originalCode: sqlState, message: 'in any language' } }
}

describe.each(shapes)('%s', (_, shape) => {
  test.each<[string, ErrorContext, string | undefined]>([
    ['55P03', {}, 'LOCK_TIMEOUT'],
    ['55P03', { nowait: true }, 'LOCK_NOT_AVAILABLE'],
    ['40P01', {}, 'DEADLOCK'],
    ['40001', {}, 'SERIALIZATION_FAILURE'],
    ['57014', {}, 'STATEMENT_TIMEOUT'],
    ['25P04', {}, 'TRANSACTION_EXPIRED'],
    ['25P03', {}, 'CONNECTION_LOST'],
    ['57P01', {}, 'CONNECTION_LOST'],
    ['57P02', {}, 'CONNECTION_LOST'],
    ['57P03', {}, 'CONNECTION_LOST'],
    ['08006', {}, 'CONNECTION_LOST'],
    ['57P01', { autocommit: true }, 'AMBIGUOUS_COMMIT'],
    ['57P03', { autocommit: true }, 'CONNECTION_LOST'],
    ['53300', {}, 'CONNECTION_LOST'],
    ['53300', { autocommit: true }, 'CONNECTION_LOST'],
    ['25006', {}, 'READ_ONLY'],
    ['25006', { autocommit: true }, 'READ_ONLY'],
    ['40001', { autocommit: true }, 'SERIALIZATION_FAILURE'],
    ['23505', {}, undefined],
    ['25P02', {}, undefined],
    ['42P01', {}, undefined],
  ])('with SQLSTATE %s and %j is %s', (sqlState, context, code) => {
    const error = shape(sqlState)
    expect(errorSqlState(error)).toBe(sqlState)
    const explained = classifyError(error, context)
    expect(explained?.code).toBe(code)
    if (explained) expect(explained).toMatchObject({ sqlState, cause: error })
  })
})

describe('an error without a SQLSTATE', () => {
  const socket = (code: string) => Object.assign(new Error(`read ${code}`), { code, errno: -1, syscall: 'read' })
  test.each<[string, unknown, ErrorContext, string | undefined]>([
    ['a client that knows it is dead', new Error('Client has encountered a connection error and is not queryable'), {}, 'CONNECTION_LOST'],
    [
      'the same in autocommit',
      new Error('Client has encountered a connection error and is not queryable'),
      { autocommit: true },
      'CONNECTION_LOST',
    ],
    ['a connection that dies', new Error('Connection terminated unexpectedly'), {}, 'CONNECTION_LOST'],
    ['the same in autocommit', new Error('Connection terminated unexpectedly'), { autocommit: true }, 'AMBIGUOUS_COMMIT'],
    ['a server that does not answer', new Error('Query read timeout'), {}, 'CONNECTION_LOST'],
    ['the same in autocommit', new Error('Query read timeout'), { autocommit: true }, 'AMBIGUOUS_COMMIT'],
    ['a broken pipe', socket('EPIPE'), {}, 'CONNECTION_LOST'],
    ['a reset', { cause: { kind: 'ConnectionClosed' } }, {}, 'CONNECTION_LOST'],
    ['a reset in autocommit', { cause: { kind: 'ConnectionClosed' } }, { autocommit: true }, 'AMBIGUOUS_COMMIT'],
    ['a server out of reach', { cause: { kind: 'DatabaseNotReachable' } }, { autocommit: true }, 'CONNECTION_LOST'],
    ['a pool that gives up', new Error('timeout exceeded when trying to connect'), {}, 'POOL_TIMEOUT'],
    ['a connect that takes too long', new Error('Connection terminated due to connection timeout'), {}, 'POOL_TIMEOUT'],
    ['an unknown kind', { cause: { kind: 'TlsConnectionError' } }, {}, undefined],
    ['a code without a socket', Object.assign(new Error('no'), { code: 'EPIPE' }), {}, undefined],
    ['any other error', new Error('no'), {}, undefined],
    ['a string', 'Connection terminated', {}, undefined],
    ['nothing', undefined, {}, undefined],
    ['null', null, {}, undefined],
  ])('%s', (_, error, context, code) => {
    expect(classifyError(error, context)?.code).toBe(code)
  })
})

describe('a failed COMMIT', () => {
  test.each<[string, unknown, string | undefined]>([
    ['refused for a conflict', driverError('40001'), 'SERIALIZATION_FAILURE'],
    ['refused for a constraint', driverError('23505'), undefined],
    ['never sent', new Error('Client has encountered a connection error and is not queryable'), 'CONNECTION_LOST'],
    ['lost', new Error('Connection terminated unexpectedly'), 'AMBIGUOUS_COMMIT'],
    ['lost with its session', driverError('57P01'), 'AMBIGUOUS_COMMIT'],
    ['lost for an unknown reason', new Error('anything'), 'AMBIGUOUS_COMMIT'],
  ])('%s', (_, error, code) => {
    expect(classifyFailedCommit(error)?.code).toBe(code)
  })

  test('is recognised after Prisma has rewritten the error', () => {
    const rewritten = (code: string) => ({ code, meta: { driverAdapterError: new Error('Connection terminated unexpectedly') } })
    expect(classifyError(rewritten('AMBIGUOUS_COMMIT'))?.code).toBe('AMBIGUOUS_COMMIT')
    expect(classifyError(rewritten('CONNECTION_LOST'))?.code).toBe('CONNECTION_LOST')
    expect(classifyError({ code: 'CONNECTION_LOST' })).toBeUndefined()
  })
})

test('an explained error is not explained again', () => {
  const explained = classifyError(driverError('40P01'))
  expect(isRowLockError(explained)).toBe(true)
  expect(classifyError(explained, { model: 'User' })).toBe(explained)
})

test('the message names the model, the key and the strength', () => {
  const error = classifyError(driverError('55P03'), { model: 'Wallet', key: { id: 1n }, strength: 'forUpdate' })
  expect(error?.message).toContain('Wallet {"id":"1n"}')
  expect(error?.message).toContain("'forUpdate'")
})

test('a key is described briefly, and never with an error of its own', () => {
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  expect(describeKey(cyclic)).toBe('')
  expect(describeKey(Symbol('s'))).toBe('')
  expect(describeKey({ id: 'x'.repeat(1_000) }).length).toBeLessThan(130)
})

test('only the codes that end a session do so', () => {
  expect(['08000', '08006', '57P01', '57P05', '25P03', '25P04'].map(endsConnection)).not.toContain(false)
  expect(['57014', '25P02', '40001', '40P01', '55P03', '23505'].map(endsConnection)).not.toContain(true)
})

test('whatever is thrown, also what throws when it is looked at, is no error of the database', () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const refuse = () => {
    throw new Error('looked at')
  }
  for (const thrown of [proxy, new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse }), null, undefined, Symbol('thrown')]) {
    expect(classifyError(thrown)).toBeUndefined()
    expect(errorSqlState(thrown)).toBeUndefined()
  }
})
