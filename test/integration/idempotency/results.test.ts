import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { once } from 'rowlock/lockers'
import { expect, test } from 'vitest'
import { createClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { newKey } from '../../support/idempotency/effect.js'
import { storedValue } from '../../support/idempotency/stored-values.js'

const database = useDatabase()

test('whatever can be stored comes back out of PostgreSQL with its values and types, for the first caller, too', async () => {
  const { prisma } = createClient(database)
  await fc.assert(
    fc.asyncProperty(storedValue, async (value) => {
      const key = newKey()
      const first = await once(prisma, key, value, async () => value)
      const again = await once(prisma, key, value, () => expect.unreachable('it ran a second time'))
      deepStrictEqual(first, value)
      deepStrictEqual(again, value)
      expect(Object.keys(again ?? {})).toEqual(Object.keys(first ?? {}))
    }),
    { numRuns: 300, examples: [[1.0003368830236001e-297]] },
  )
}, 60_000)
