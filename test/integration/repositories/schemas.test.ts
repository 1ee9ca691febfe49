import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, rowLocks } from 'rowlock'
import { setCount } from 'rowlock/repositories'
import { expect, test } from 'vitest'
import { PrismaClient } from '../../../src/generated/prisma/client.js'
import { useDatabase } from '../../support/database.js'
import { POOLED } from '../../support/through-pooler.js'

const database = useDatabase()

function clientOf(schema?: string) {
  const pool = database.watch(new Pool({ connectionString: database.url, max: 2 }))
  return new PrismaClient({ adapter: lockable(new PrismaPg(pool, { schema }), POOLED) }).$extends(rowLocks())
}

test('two clients of one generated code each write to the schema of their own adapter', async () => {
  await database.sql`CREATE SCHEMA tenant`
  await database.sql`CREATE TABLE tenant."Company" (LIKE public."Company" INCLUDING ALL)`
  for (const schema of ['public', 'tenant']) {
    await database.sql`INSERT INTO ${database.sql(schema)}."Company" (id, name, count) VALUES (1000, 'Acme', 0)`
  }
  const [main, tenant] = [clientOf(), clientOf('tenant')]
  await setCount(main, { company: 'Acme', count: 1 })
  await setCount(tenant, { company: 'Acme', count: 2 })
  expect(await database.sql`SELECT count FROM public."Company" WHERE id = 1000`).toMatchObject([{ count: 1 }])
  expect(await database.sql`SELECT count FROM tenant."Company" WHERE id = 1000`).toMatchObject([{ count: 2 }])
  await Promise.all([main.$disconnect(), tenant.$disconnect()])
})
