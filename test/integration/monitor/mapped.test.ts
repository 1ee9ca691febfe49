import { lockTree } from 'rowlock'
import { afterEach, expect, test } from 'vitest'
import { createSessions } from '../../support/sessions.js'
import { useZoo } from '../../support/zoo.js'

const { database, queries } = useZoo()
const sessions = createSessions(
  () => database.url,
  () => database.sql,
)
afterEach(() => sessions.end())

async function targetOf(statement: string) {
  const [holder, other] = [await sessions.begin(), await sessions.begin()]
  await holder.run(statement)
  await other.wait(statement)
  const { roots } = await lockTree(queries().prisma)
  return roots[0]!.waiters[0]!.wait?.target
}

test('a key is told by fields, and a table by its model, where the database has other names for them', async () => {
  expect(await targetOf(`SELECT 1 FROM "wild life"."animal FROM, SELECT" WHERE "animal id" = 2 FOR UPDATE`)).toEqual({
    kind: 'row',
    schema: 'wild life',
    table: 'animal FROM, SELECT',
    model: 'Animal',
    key: { id: 2 },
  })
})

test('a compound key has all its fields', async () => {
  await database.sql.unsafe(
    `INSERT INTO "wild life"."chore WHERE, LIMIT" ("animal id", "what (WHERE") VALUES (1, 'feed') ON CONFLICT DO NOTHING`,
  )
  expect(
    await targetOf(`SELECT 1 FROM "wild life"."chore WHERE, LIMIT" FOR SHARE; UPDATE "wild life"."chore WHERE, LIMIT" SET done = now()`),
  ).toMatchObject({
    model: 'Chore',
    key: { animalId: 1, what: 'feed' },
  })
  await sessions.end()
  expect(await targetOf('SELECT 1 FROM "Stay" WHERE cage = 2 AND "animalId" = 1 FOR UPDATE')).toMatchObject({
    model: 'Stay',
    key: { animalId: 1, cage: 2 },
  })
})

test('a table of the same name in another schema is no model', async () => {
  await database.sql.unsafe(`CREATE TABLE "wild life"."Keeper" (id int PRIMARY KEY); INSERT INTO "wild life"."Keeper" VALUES (1)`)
  expect(await targetOf('SELECT 1 FROM "wild life"."Keeper" FOR UPDATE')).toEqual({
    kind: 'row',
    schema: 'wild life',
    table: 'Keeper',
    key: { id: 1 },
  })
  await sessions.end()
  expect(await targetOf('SELECT 1 FROM "Keeper" WHERE id = 2 FOR UPDATE')).toMatchObject({ model: 'Keeper', key: { id: 2 } })
})
