import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { parseSchema } from '../../../src/doctor/facts/schema-facts.js'
import { remarksOf, sourceFacts } from '../../support/doctor.js'

const schema = parseSchema(await readFile(new URL('../../../prisma/schema.prisma', import.meta.url), 'utf8'))
const CLEAN = ['ok: No row that others refer to is locked FOR UPDATE only to be edited.']

const check = async (statement: string) =>
  remarksOf('parent-locks', {
    schema,
    source: await sourceFacts(`export async function pay(prisma: any, tx: any, lock: any) {\n  ${statement}\n}`),
  })

test.each([
  ['a find', `await tx.user.findUnique({ where: { id: 1 }, lock: 'forUpdate' })`],
  ['a find with a wait policy', `await tx.user.findFirst({ where: { id: 1 }, lock: { strength: 'forUpdate', nowait: true } })`],
  ['a find with a constant strength', `await tx.user.findMany({ lock: 'forUpdate' as const })`],
  ['withLock', `await prisma.user.withLock({ where: { id: 1 } }, async () => 1, { lock: 'forUpdate' })`],
  ['lockInOrder', `await lockInOrder(tx, [{ model: 'user', where: { id: 1 } }], 'forUpdate')`],
  ['raw SQL', 'await tx.$queryRaw`SELECT * FROM "User" WHERE id = ${1} FOR UPDATE`'],
  ['raw SQL of a schema', `await tx.$queryRawUnsafe('select 1 from public."User" for update of "User"')`],
])('warns of a row that others refer to and that %s locks FOR UPDATE', async (_, statement) => {
  expect(await check(statement)).toEqual([
    expect.stringMatching(
      /^warning: src\/pay\.ts:2 locks User FOR UPDATE: .* waits \(SignIn, ReadingQuota, ReadingQuotaChange and 3 more\)\.$/,
    ),
  ])
})

test.each([
  ['weaker lock', `await tx.user.findUnique({ where: { id: 1 }, lock: 'forNoKeyUpdate' })`],
  ['default of withLock', `await prisma.user.withLock({ where: { id: 1 } }, async () => 1)`],
  ['default of lockInOrder', `await lockInOrder(tx, [{ model: 'user', where: { id: 1 } }])`],
  ['lock that only the running program knows', `await tx.user.findUnique({ where: { id: 1 }, lock })`],
  ['weaker lock in SQL', 'await tx.$queryRaw`SELECT * FROM "User" FOR NO KEY UPDATE`'],
  ['row that nobody refers to', `await tx.order.findUnique({ where: { id: 'a' }, lock: 'forUpdate' })`],
  ['row that is deleted', `await tx.user.findUnique({ where: { id: 1 }, lock: 'forUpdate' }); await tx.user.delete({ where: { id: 1 } })`],
  ['locker of another kind', `await locker.withLock('user', async () => 1, { lock: 'forUpdate' })`],
])('does not warn of a %s', async (_, statement) => {
  expect(await check(statement)).toEqual(CLEAN)
})

test('a row is warned of all the same when it is another one that is deleted', async () => {
  const statement = `await tx.user.findUnique({ where: { id: 1 }, lock: 'forUpdate' }); await tx.order.delete({ where: { id: 'a' } })`
  expect(await check(statement)).toEqual([expect.stringMatching(/^warning: /)])
})
