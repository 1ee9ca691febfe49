import { readFileSync } from 'node:fs'
import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, rowLocks } from 'rowlock'
import { beforeAll } from 'vitest'
import { useDatabase } from './database.js'
import { PrismaClient as JoinsClient } from './zoo/generated/joins/client.js'
import { PrismaClient as QueriesClient } from './zoo/generated/queries/client.js'
import { POOLED } from './through-pooler.js'

const schema = readFileSync(new URL('./zoo/schema.sql', import.meta.url), 'utf8')

/** The test file's database with the zoo's tables and two animals: 1 is the mother of 2. */
export function useZoo() {
  const database = useDatabase()
  beforeAll(async () => {
    await database.sql.unsafe(schema)
    await database.sql.unsafe(`
      INSERT INTO "Keeper" (name) VALUES ('Ada'), ('Bo');
      INSERT INTO "wild life"."animal FROM, SELECT" ("tag (no", name, mother, "keeperId", mood)
      VALUES ('a', 'Ant', NULL, 1, '{}'), ('b', 'Bee', 1, 1, '{calm}'), ('c', 'Cat', 1, 2, '{}'), ('d', NULL, NULL, NULL, '{}');
      INSERT INTO "Stay" ("animalId", cage, nights) VALUES (1, 1, 1), (1, 2, 1), (2, 1, 2);`)
  })

  /** Relation reads as statements of their own, which is Prisma's default. */
  const queries = () => {
    const pool = database.watch(new Pool({ connectionString: database.url, max: 10 }))
    const plain = new QueriesClient({ adapter: lockable(new PrismaPg(pool), POOLED), log: [{ emit: 'event', level: 'query' }] })
    return { plain, prisma: plain.$extends(rowLocks()), pool }
  }

  /** Relation reads as joins, with the `relationJoins` preview. */
  const joins = () => {
    const pool = database.watch(new Pool({ connectionString: database.url, max: 10 }))
    return new JoinsClient({ adapter: lockable(new PrismaPg(pool), POOLED) }).$extends(rowLocks())
  }

  return { database, queries, joins }
}
