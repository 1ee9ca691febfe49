import { PrismaPg } from '@prisma/adapter-pg'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { lockable, rowLocks } from 'rowlock'
import { expect, test } from 'vitest'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import { useDatabase } from '../support/database.js'
import { parsedTexts, throughProxy } from '../support/wire.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(`${root}/docs/architecture.md`, 'utf8')
const database = useDatabase()

test('every part of src/ has its row in docs/architecture.md', () => {
  const parts = readdirSync(`${root}/src`, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  const rows = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(([, part]) => part)
  expect(rows.sort()).toEqual(parts.filter((part) => part !== 'generated').sort())
})

test('every file that docs/architecture.md names is there', () => {
  const files = [...page.matchAll(/`((?:src|test|torture|bench|scripts)\/[\w./-]+)`/g)].map(([, file]) => file!)
  expect(files.length).toBeGreaterThan(20)
  expect(files.filter((file) => !existsSync(`${root}/${file}`))).toEqual([])
})

test('the locked read of docs/architecture.md is rendered and sent as it says', async () => {
  const [renders, ...sends] = statementsOf(page)
  const rendered: string[] = []
  await using through = await throughProxy(database)
  const adapter = lockable(new PrismaPg({ connectionString: through.proxy.url, max: 1 }))
  const client = new PrismaClient({ adapter, log: [{ emit: 'event', level: 'query' }] })
  client.$on('query', ({ query }) => rendered.push(query))
  try {
    await client
      .$extends(rowLocks())
      .$transactionWithRetry((tx) => tx.company.findUnique({ where: { id: 1 }, select: { count: true }, lock: 'forUpdate' }))
  } finally {
    await client.$disconnect()
  }
  expect(rendered[0]).toBe(renders)
  const roundTrip = through.sent.find((one) => one.includes('BEGIN'))!
  expect(parsedTexts(roundTrip)).toEqual(sends)
})

/** The statements of all SQL blocks of a page, one a line. */
const statementsOf = (markdown: string) =>
  [...markdown.matchAll(/```sql\n([^]*?)```/g)].flatMap(([, block]) =>
    block!
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean),
  )
