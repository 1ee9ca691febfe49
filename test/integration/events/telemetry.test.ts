import { type Attributes, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { Histogram, MetricData } from '@opentelemetry/sdk-metrics'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { DeadlockError, LockTimeoutError, type TransactionClientOf } from 'rowlock'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadOpenTelemetry } from '../../../src/events/load-open-telemetry.js'
import { createClient, type TestClient } from '../../support/client.js'
import { useDatabase, waitUntil, waitUntilSessionsBlocked } from '../../support/database.js'
import { held } from '../../support/held.js'
import { inSpan, RegisteredTelemetry } from '../../support/open-telemetry.js'
import { expectRejection, rejectionOf, useRejectionCheck } from '../../support/rejections.js'
import { RecordedEvents } from '../../support/recorded-events.js'

const database = useDatabase()
useRejectionCheck()

type Tx = TransactionClientOf<TestClient>

const events = new RecordedEvents()
let telemetry: RegisteredTelemetry
let prisma: TestClient
let deaf: TestClient
let outside: TestClient
let id: number

beforeAll(async () => {
  const options = { onEvent: events.onEvent, slowLock: 30 }
  prisma = createClient(database, { options }).prisma
  deaf = createClient(database, { options: { telemetry: false } }).prisma
  outside = createClient(database, { options: { telemetry: false } }).prisma
  await loadOpenTelemetry()
  telemetry = new RegisteredTelemetry()
})
afterAll(() => telemetry.unregister())

beforeEach(async () => {
  id = (await outside.company.create({ data: { name: `company ${Math.random()}` } })).id
  events.clear()
  await telemetry.clear()
})

const parentOf = (span: ReadableSpan) =>
  telemetry.spans.find((other) => other.spanContext().spanId === span.parentSpanContext?.spanId)?.name
const one = (name: string) => {
  const spans = telemetry.named(name)
  expect(spans, name).toHaveLength(1)
  return spans[0]!
}
const lockRow = (tx: Tx, key = id) => tx.company.findUnique({ where: { id: key }, lock: 'forNoKeyUpdate' })

/** Lets `take` wait for the row until its wait is slow, and returns who held it. */
async function whileHeld(take: () => Promise<unknown>): Promise<number> {
  const holder = await held(outside, (tx) => tx.$queryRaw`SELECT 'a secret', id FROM "Company" WHERE id = ${id} FOR UPDATE`)
  const taking = take()
  taking.catch(() => undefined)
  await waitUntilSessionsBlocked(database.sql, 1)
  await events.first('lock.slow', database.sql)
  await holder.rollback()
  await taking
  return holder.pid
}

describe('spans', () => {
  test('of a transaction are in that of its caller, and what its function does is in that of the attempt', async () => {
    await inSpan('request', () => prisma.$transactionWithRetry(async (tx) => inSpan('work', () => lockRow(tx))))
    expect(parentOf(one('transaction'))).toBe('request')
    expect(parentOf(one('transaction attempt'))).toBe('transaction')
    expect(parentOf(one('work'))).toBe('transaction attempt')
    expect(one('transaction')).toMatchObject({
      kind: SpanKind.INTERNAL,
      status: { code: SpanStatusCode.UNSET },
      attributes: { 'db.system.name': 'postgresql', 'rowlock.transaction.attempts': 1 },
      instrumentationScope: { name: 'rowlock' },
    })
    expect(telemetry.named('lock wait Company')).toEqual([])
  })

  test('say how each attempt failed, and that another one followed', async () => {
    const fails = async (_: unknown, { attempt }: { attempt: number }) =>
      attempt === 1 ? Promise.reject(new DeadlockError('as if', { sqlState: '40P01' })) : attempt
    await prisma.$transactionWithRetry(fails, { retry: { baseDelay: 1 } })
    const failure = { 'error.type': '40P01', 'db.response.status_code': '40P01', 'rowlock.error.code': 'DEADLOCK' }
    expect(telemetry.named('transaction attempt')).toMatchObject([
      { status: { code: SpanStatusCode.ERROR }, attributes: { ...failure, 'rowlock.transaction.attempt': 1 } },
      { status: { code: SpanStatusCode.UNSET }, attributes: { 'rowlock.transaction.attempt': 2 } },
    ])
    expect(one('transaction')).toMatchObject({
      attributes: { 'rowlock.transaction.attempts': 2 },
      events: [{ name: 'rowlock.transaction.retried', attributes: { ...failure, 'rowlock.transaction.attempt': 1 } }],
    })
  })

  test('name the class of an error that is not of PostgreSQL, and no message', async () => {
    await rejectionOf(prisma.$transactionWithRetry(() => Promise.reject(new TypeError('a secret'))))
    expect(one('transaction')).toMatchObject({ status: { code: SpanStatusCode.ERROR }, attributes: { 'error.type': 'TypeError' } })
    expect(one('transaction').status.message).toBeUndefined()
  })

  test('of waits are in that of who has called, also of calls of the same tick', async () => {
    const other = (await outside.company.create({ data: { name: `company ${Math.random()}` } })).id
    const holder = await held(outside, (tx) => tx.company.findMany({ where: { id: { in: [id, other] } }, lock: 'forUpdate' }))
    const taking = [id, other].map((key) => inSpan(`request ${key}`, () => prisma.$transaction((tx) => lockRow(tx, key))))
    await waitUntil('both waits are slow', async () => {
      await database.sql`SELECT pg_sleep(0.001)`
      return events.of('lock.slow').length === 2 ? true : undefined
    })
    await holder.rollback()
    await Promise.all(taking)
    expect(telemetry.named('lock wait Company').map(parentOf).sort()).toEqual([id, other].map((key) => `request ${key}`).sort())
    for (const key of [id, other]) expect(one(`request ${key}`).events).toMatchObject([{ name: 'rowlock.lock.slow' }])
  })

  test('of a wait are in that of its caller, though Prisma sends all queries of a tick from the context of the first', async () => {
    const other = (await outside.company.create({ data: { name: `company ${Math.random()}` } })).id
    await whileHeld(() =>
      prisma.$transaction(async (tx) => Promise.all([inSpan('first', () => lockRow(tx, other)), inSpan('second', () => lockRow(tx))])),
    )
    expect(telemetry.named('lock wait Company').map(parentOf)).toEqual(['second'])
    expect(one('second').events).toMatchObject([{ name: 'rowlock.lock.slow' }])
    expect(one('first').events).toEqual([])
  })

  test('of a wait say how long it was, and for whom, without values', async () => {
    const holder = await whileHeld(() => inSpan('request', () => prisma.$transaction((tx) => lockRow(tx))))
    const wait = one('lock wait Company')
    const blocker = {
      'rowlock.blocker.pid': [holder],
      'rowlock.blocker.application_name': [''],
      'rowlock.blocker.state': ['idle in transaction'],
      'rowlock.blocker.query': ['SELECT ?, id FROM "Company" WHERE id = $1 FOR UPDATE'],
    }
    const lock = {
      'db.system.name': 'postgresql',
      'db.collection.name': 'Company',
      'rowlock.model': 'Company',
      'rowlock.lock.strength': 'forNoKeyUpdate',
    }
    expect(wait).toMatchObject({ kind: SpanKind.INTERNAL, status: { code: SpanStatusCode.UNSET }, attributes: { ...lock, ...blocker } })
    expect(Object.keys(wait.attributes).sort()).toEqual([...Object.keys(lock), ...Object.keys(blocker)].sort())
    const [seconds, nanoseconds] = wait.duration
    expect(seconds * 1_000 + nanoseconds / 1e6).toBeCloseTo(events.of('lock.waited')[0]!.waited, -1)
    const [slow] = one('request').events
    expect(slow).toMatchObject({ name: 'rowlock.lock.slow', attributes: { ...lock, ...blocker } })
    expect(slow!.attributes!['rowlock.lock.wait.duration']).toBeGreaterThanOrEqual(0.03)
  })

  test('of a wait that was in vain are errors', async () => {
    const holder = await held(outside, (tx) => lockRow(tx))
    await expectRejection(
      prisma.$transactionWithRetry((tx) => lockRow(tx), { lockTimeout: 800 }),
      LockTimeoutError,
    )
    await holder.rollback()
    const failure = { 'error.type': '55P03', 'db.response.status_code': '55P03', 'rowlock.error.code': 'LOCK_TIMEOUT' }
    expect(one('lock wait Company')).toMatchObject({ status: { code: SpanStatusCode.ERROR }, attributes: failure })
    expect(one('transaction')).toMatchObject({ status: { code: SpanStatusCode.ERROR }, attributes: failure })
  })

  test('say of a gate that it was queued at', async () => {
    const gate = { key: id, width: 1 }
    await Promise.all([1, 2].map(() => prisma.$transactionWithRetry((tx) => tx.company.count(), { gate })))
    const queued = telemetry.named('transaction').flatMap((span) => span.events)
    expect(queued).toMatchObject([{ name: 'rowlock.gate.queued', attributes: { 'rowlock.gate.position': 1 } }])
  })
})

describe('metrics', () => {
  const named = (all: readonly MetricData[], name: string) => all.find(({ descriptor }) => descriptor.name === name)
  const pointsOf = (metric: MetricData | undefined) => (metric?.dataPoints ?? []) as { attributes: Attributes; value: Histogram }[]
  const lock = { 'db.system.name': 'postgresql', 'db.collection.name': 'Company', 'rowlock.model': 'Company' }

  test('have every lock in the histograms of waits and holds, by model and strength', async () => {
    await prisma.$transaction(async (tx) => {
      await lockRow(tx)
      await tx.company.findFirst({ where: { id }, lock: 'forUpdate' })
    })
    const recorded = await telemetry.recorded()
    for (const name of ['rowlock.lock.wait.duration', 'rowlock.lock.hold.duration']) {
      const metric = named(recorded, name)
      expect(metric?.descriptor).toMatchObject({ unit: 's', description: expect.any(String) })
      expect(pointsOf(metric).map(({ attributes }) => attributes)).toEqual([
        { ...lock, 'rowlock.lock.strength': 'forNoKeyUpdate' },
        { ...lock, 'rowlock.lock.strength': 'forUpdate' },
      ])
      expect(pointsOf(metric).map(({ value }) => value.count)).toEqual([1, 1])
    }
    const [wait] = pointsOf(named(recorded, 'rowlock.lock.wait.duration'))
    expect(wait!.value.sum).toBe(0)
    expect(wait!.value.buckets.boundaries[0]).toBe(0.05)
    const [hold] = pointsOf(named(recorded, 'rowlock.lock.hold.duration'))
    expect(hold!.value.sum).toBeGreaterThan(0)
    expect(hold!.value.sum).toBeLessThan(10)
  })

  test('have waits in seconds, and the SQLSTATE of one that was in vain', async () => {
    await whileHeld(() => prisma.$transaction((tx) => lockRow(tx)))
    const waited = events.of('lock.waited')[0]!.waited
    const holder = await held(outside, (tx) => lockRow(tx))
    await rejectionOf(prisma.$transaction((tx) => tx.company.findUnique({ where: { id }, lock: { strength: 'forUpdate', nowait: true } })))
    await holder.rollback()
    const points = pointsOf(named(await telemetry.recorded(), 'rowlock.lock.wait.duration'))
    expect(points.map(({ attributes, value }) => [attributes['error.type'], value.sum])).toEqual([
      [undefined, waited / 1_000],
      ['55P03', 0],
    ])
  })

  test('count retries', async () => {
    const fails = async (_: unknown, { attempt }: { attempt: number }) =>
      attempt < 3 ? Promise.reject(new DeadlockError('as if')) : attempt
    await prisma.$transactionWithRetry(fails, { retry: { baseDelay: 1 } })
    const metric = named(await telemetry.recorded(), 'rowlock.transaction.retries')
    expect(metric?.dataPoints).toMatchObject([
      { value: 2, attributes: { 'error.type': 'DeadlockError', 'rowlock.error.code': 'DEADLOCK' } },
    ])
  })
})

describe('nothing is recorded, and PostgreSQL is asked nothing,', () => {
  async function askedDuring(client: TestClient): Promise<boolean> {
    const sides = async () =>
      (await database.sql`SELECT FROM pg_stat_activity WHERE application_name = 'rowlock' AND datname = current_database()`).length
    await waitUntil('earlier connections beside the pool are idle no more', async () => ((await sides()) === 0 ? true : undefined))
    const holder = await held(outside, (tx) => lockRow(tx))
    const taking = client.$transactionWithRetry((tx) => lockRow(tx))
    await waitUntilSessionsBlocked(database.sql, 1)
    await database.sql`SELECT pg_sleep(0.3)`
    const asked = (await sides()) > 0
    await holder.rollback()
    await taking
    return asked
  }

  test('with telemetry: false', async () => {
    expect(await askedDuring(deaf)).toBe(false)
    expect(telemetry.spans).toEqual([])
    expect(await telemetry.recorded()).toEqual([])
  })

  test('without an SDK, which may come and go', async () => {
    const client = createClient(database).prisma
    await loadOpenTelemetry()
    expect(await askedDuring(client)).toBe(true)
    expect(telemetry.named('transaction')).toHaveLength(1)
    await telemetry.unregister()
    try {
      expect(await askedDuring(client)).toBe(false)
    } finally {
      telemetry = new RegisteredTelemetry()
    }
    await client.$transactionWithRetry((tx) => lockRow(tx))
    expect(telemetry.named('transaction')).toHaveLength(1)
    expect((await telemetry.recorded()).map(({ descriptor }) => descriptor.name)).toContain('rowlock.lock.hold.duration')
  })
})
