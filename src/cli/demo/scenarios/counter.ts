import { randomUUID } from 'node:crypto'
import type { CounterRows } from '../requests.js'
import type { Scenario } from '../scenario.js'

const REQUESTS = 200
const INCREMENTS = 150
const DECREMENTS = REQUESTS - INCREMENTS
// Above the number of decrements: none can be refused, whatever the order.
const START = 1_000
// Not where it began: of as many increments as decrements as many may get lost.
const END = START + INCREMENTS - DECREMENTS

export const counterScenario: Scenario = {
  name: 'counter',
  title: 'Counter',
  raced: `${INCREMENTS} increments and ${DECREMENTS} decrements of one counter by 1, 40 at a time, from ${START}.`,
  rule: `All succeed, and the count ends at ${END}.`,
  processes: 2,
  requests: REQUESTS,
  concurrency: 40,
  poolSize: 10,
  expected: REQUESTS,
  refusals: [],
  versions: [
    { version: 'naive', exportName: 'changeCount' },
    { version: 'locked', exportName: 'changeCount' },
  ],
  async prepare(prisma) {
    const company = `Demo company ${randomUUID()}`
    await prisma.company.create({ data: { name: company, count: START } })
    const rows: CounterRows = { company }
    return {
      rows,
      async examine() {
        const { count } = await prisma.company.findUniqueOrThrow({ where: { name: company } })
        const findings = count === END ? [] : [`The count is ${count} instead of ${END}.`]
        return { lost: { amount: Math.abs(count - END), unit: 'counts' }, findings }
      },
    }
  },
}
