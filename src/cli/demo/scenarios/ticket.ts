import type { TicketRows } from '../requests.js'
import type { Scenario } from '../scenario.js'
import { createUsers } from './seed.js'

const BUYERS = 15

export const ticketScenario: Scenario = {
  name: 'ticket',
  title: 'Ticket',
  raced: `${BUYERS} buyers, each in a process of its own, and 1 ticket.`,
  rule: 'Exactly 1 buyer gets it; to the others it is sold out.',
  processes: BUYERS,
  requests: BUYERS,
  concurrency: BUYERS,
  poolSize: 1,
  expected: 1,
  refusals: ['Error', 'SOLD_OUT'],
  versions: [
    { version: 'naive', exportName: 'buyTicket' },
    { version: 'locked', exportName: 'buyTicket' },
  ],
  async prepare(prisma) {
    const userIds = await createUsers(prisma, BUYERS)
    const { id: eventId } = await prisma.event.create({ data: { name: 'Demo event', remaining: 1 } })
    const rows: TicketRows = { eventId, userIds }
    return {
      rows,
      async examine() {
        const sold = await prisma.ticket.count({ where: { eventId } })
        const { remaining } = await prisma.event.findUniqueOrThrow({ where: { id: eventId } })
        const findings: string[] = []
        if (sold !== 1) findings.push(`${sold} tickets were sold; there was 1.`)
        if (remaining !== 0) findings.push(`The stock says that ${remaining} are left.`)
        return { lost: { amount: Math.abs(sold - 1), unit: 'tickets' }, findings }
      },
    }
  },
}
