import { claim, complete, extend, fail, type JobOf } from 'rowlock/lockers'
import { expectTypeOf, test } from 'vitest'

import type { Job } from '../../src/generated/prisma/client.js'
import { plain, prisma } from './clients.js'

const labelled = prisma.$extends({ result: { job: { label: { needs: { id: true }, compute: ({ id }) => `job ${id}` } } } })

test('claim returns full rows, on the client and in a transaction', async () => {
  const jobs = await claim(prisma.job, { lease: 1 })
  expectTypeOf(jobs).not.toBeAny()
  expectTypeOf(jobs[0]!).not.toBeAny()
  expectTypeOf(jobs).toEqualTypeOf<Job[]>()
  await prisma.$transaction(async (tx) => {
    expectTypeOf(
      await claim(tx.job, { where: { queue: 'mail' }, orderBy: [{ runAt: 'asc' }, { id: 'asc' }], take: 2, lease: 1 }),
    ).toEqualTypeOf<Job[]>()
  })
  await prisma.$transactionWithRetry(async (tx) => {
    expectTypeOf(await claim(tx.job, { lease: 1 })).toEqualTypeOf<Job[]>()
  })
})

test('a report returns the row', async () => {
  const job = (await claim(prisma.job, { lease: 1 }))[0]!
  expectTypeOf(await complete(prisma.job, job)).toEqualTypeOf<Job>()
  expectTypeOf(await fail(prisma.job, job, { error: new Error('x'), retryIn: 0 })).toEqualTypeOf<Job>()
  expectTypeOf(await extend(prisma.job, { id: 1n, attempt: 1 }, { lease: 1 })).toEqualTypeOf<Job>()
})

test('computed fields are in the row, and the row still names its job', async () => {
  const [job] = await claim(labelled.job, { lease: 1 })
  expectTypeOf(job!.label).toEqualTypeOf<string>()
  expectTypeOf<JobOf<typeof labelled.job>['label']>().toEqualTypeOf<string>()
  expectTypeOf((await complete(labelled.job, job!)).label).toEqualTypeOf<string>()
})

test('columns take fields of the model that have the type of the part', async () => {
  await claim(prisma.job, { lease: 1, columns: { attempt: 'attempt', runAt: 'createdAt', failedAt: null, error: 'queue' } })
  // @ts-expect-error no field of the model
  await claim(prisma.job, { lease: 1, columns: { attempt: 'tries' } })
  // @ts-expect-error no number
  await claim(prisma.job, { lease: 1, columns: { attempt: 'queue' } })
  // @ts-expect-error no moment
  await claim(prisma.job, { lease: 1, columns: { completedAt: 'queue' } })
  // @ts-expect-error a part that cannot be left out
  await complete(prisma.job, { id: 1n, attempt: 1 }, { columns: { leaseExpiresAt: null } })
  // @ts-expect-error no such part
  await fail(prisma.job, { id: 1n, attempt: 1 }, { error: 'x', columns: { finishedAt: 'completedAt' } })
})

test('where and orderBy are those of the model', async () => {
  // @ts-expect-error no field of the model
  await claim(prisma.job, { where: { que: 'mail' }, lease: 1 })
  // @ts-expect-error no value of the field
  await claim(prisma.job, { where: { queue: 1 }, lease: 1 })
  // @ts-expect-error no field of the model
  await claim(prisma.job, { orderBy: { due: 'asc' }, lease: 1 })
  // @ts-expect-error no direction
  await claim(prisma.job, { orderBy: { runAt: 'up' }, lease: 1 })
})

test('what is required is required, and what is no option is refused', async () => {
  // @ts-expect-error how long
  await claim(prisma.job, {})
  // @ts-expect-error how long
  await extend(prisma.job, { id: 1n, attempt: 1 }, {})
  // @ts-expect-error why
  await fail(prisma.job, { id: 1n, attempt: 1 }, { retryIn: 1 })
  // @ts-expect-error full rows
  await claim(prisma.job, { lease: 1, select: { id: true } })
  // @ts-expect-error full rows
  await claim(prisma.job, { lease: 1, include: {} })
  // @ts-expect-error claimed by one statement
  await claim(prisma.job, { lease: 1, skip: 1 })
  // @ts-expect-error not the id of a job
  await complete(prisma.job, { id: 'one', attempt: 1 })
})

test('a model of a client without row locks is refused', async () => {
  // @ts-expect-error without rowLocks()
  await claim(plain.job, { lease: 1 })
  // @ts-expect-error no model
  await claim(prisma, { lease: 1 })
})
