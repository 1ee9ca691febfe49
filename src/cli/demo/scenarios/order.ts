import type { OrderRows } from '../requests.js'
import type { Scenario } from '../scenario.js'
import { createUsers } from './seed.js'

const ORDERS = 4

export const orderScenario: Scenario = {
  name: 'order',
  title: 'Order',
  raced: '4 orders of 2 users at the same time, 2 each, from 2 processes.',
  rule: "All 4 are placed, and each user's are numbered 1 and 2.",
  processes: 2,
  requests: ORDERS,
  concurrency: ORDERS,
  poolSize: 2,
  expected: ORDERS,
  refusals: [],
  versions: [
    { version: 'naive', exportName: 'placeOrder' },
    { version: 'locked', exportName: 'placeOrder' },
  ],
  async prepare(prisma) {
    const userIds = await createUsers(prisma, 2)
    const rows: OrderRows = { userIds, amount: 10 }
    return {
      rows,
      async examine() {
        const orders = await prisma.order.findMany({ where: { userId: { in: userIds } }, orderBy: { number: 'asc' } })
        const findings = userIds.flatMap((userId, index) => {
          const numbers = orders.filter((order) => order.userId === userId).map(({ number }) => number)
          if (numbers.join() === '1,2') return []
          return [`User ${index + 1} has ${numbers.length === 0 ? 'no order' : `only the order number ${numbers.join(', ')}`}.`]
        })
        return { lost: { amount: Math.abs(ORDERS - orders.length), unit: 'orders' }, findings }
      },
    }
  },
}
