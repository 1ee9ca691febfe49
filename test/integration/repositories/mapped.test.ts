import { buyAnyTicket, buyTicket, credit, decrementCount, placeOrder, signIn, withdraw } from 'rowlock/repositories'
import { beforeAll, expect, test } from 'vitest'
import { tableOf } from '../../../src/extension/schema-model.js'
import { useDatabase } from '../../support/database.js'
import type { TestClient } from '../../support/client.js'
import { createTamperedClient } from '../../support/repositories/tampered-client.js'
import {
  createCompany,
  createEvent,
  createQuota,
  createUser,
  createWallet,
  createWorld,
  type World,
} from '../../support/repositories/world.js'

// The client's data model and the tables get the same other names: what a schema with @map and @@map makes.

interface Model {
  dbName: string | null
  fields: { name: string; kind: string; dbName?: string }[]
}

const MODELS = [
  'User',
  'SignIn',
  'ReadingQuota',
  'ReadingQuotaChange',
  'Wallet',
  'WalletEntry',
  'Coupon',
  'Company',
  'Event',
  'Ticket',
  'Order',
]
const otherName = (name: string) => `${name} "of" ours`

const database = useDatabase()
const sent: string[] = []
let mapped: TestClient
let rows: Awaited<ReturnType<typeof createRows>>

beforeAll(async () => {
  const { prisma } = createTamperedClient(database, { before: (sql) => sent.push(sql) })
  rows = await createRows(createWorld(database))
  const { models } = (prisma as unknown as { _runtimeDataModel: { models: Record<string, Model> } })._runtimeDataModel
  const renamed = Object.fromEntries([...MODELS, 'IdempotencyRecord'].map((model) => [model, renamedModel(models[model]!, model)]))
  mapped = new Proxy(prisma, {
    get: (client, key) => (key === '_runtimeDataModel' ? { models: renamed } : (client as never)[key]),
  })
  for (const model of Object.keys(renamed)) await renameTable(prisma, model)
})

async function createRows(world: World) {
  return {
    wallet: await createWallet(world, 100),
    quota: await createQuota(world, 1),
    company: await createCompany(world, 5),
    eventId: await createEvent(world, { remaining: 1, seats: 1 }),
    userId: await createUser(world),
  }
}

function renamedModel(model: Model, name: string): Model {
  const fields = model.fields.map((field) => (field.kind === 'object' ? field : { ...field, dbName: otherName(field.name) }))
  return { ...model, dbName: otherName(name), fields }
}

async function renameTable(prisma: TestClient, model: string): Promise<void> {
  const { name, columns } = tableOf(prisma, model)!
  for (const [field, column] of columns) {
    await database.sql.unsafe(`ALTER TABLE ${name} RENAME ${column} TO ${quoted(otherName(field))}`)
  }
  await database.sql.unsafe(`ALTER TABLE ${name} RENAME TO ${quoted(otherName(model))}`)
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

test('the statements name the tables and columns as the schema maps them, and the results the fields', async () => {
  const { wallet, quota, company, eventId, userId } = rows
  sent.length = 0
  const results = [
    await withdraw(mapped, { userId: wallet.userId, amount: 10 }),
    await withdraw(mapped, { userId: wallet.userId, amount: 10, idempotencyKey: 'withdrawal' }),
    await credit(mapped, { userId: wallet.userId, amount: 100, idempotencyKey: 'credit' }),
    await decrementCount(mapped, { company, count: 2 }),
    await buyTicket(mapped, { eventId, userId }),
    await buyAnyTicket(mapped, { eventId, userId }),
    await placeOrder(mapped, { userId, orderId: 'one', amount: 5 }),
    await signIn(mapped, { userId: quota }),
  ]
  expect(results).toMatchObject([
    { entry: { kind: 'WITHDRAWAL', createdAt: expect.any(Date) } },
    { entry: { walletId: wallet.walletId } },
    { coupon: { walletId: wallet.walletId, createdAt: expect.any(Date) } },
    { count: 3 },
    { ticket: { seat: null, userId }, remaining: 0 },
    { ticket: { seat: 1, userId } },
    { order: { number: 1 } },
    { quota: { remaining: 26 }, signIn: { userId: quota } },
  ])
  expect(sent).toHaveLength(results.length)
})
