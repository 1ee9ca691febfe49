import type { IsolationLevel, LockStrength } from 'rowlock'
import {
  allFulfilled,
  countFulfilled,
  createCompany,
  createWallets,
  type Operation,
  type PlantedBug,
  readCount,
  twice,
} from './planted-bug.js'

const SOLD_AT = new Date('2026-01-01T12:00:00Z')

const CLAIM = {
  behindSubquery: 'SELECT id FROM "Ticket" WHERE id = (SELECT min(id) FROM "Ticket" WHERE "userId" IS NULL) FOR UPDATE',
  besideLock: 'SELECT id FROM "Ticket" WHERE "userId" IS NULL ORDER BY id LIMIT 1 FOR UPDATE',
  inSubquery: 'SELECT id FROM (SELECT id FROM "Ticket" WHERE "userId" IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) AS free',
}

/** What is written rests on a read that no lock protects. */
export const staleReads: readonly PlantedBug[] = [
  {
    title: 'two wallets that together may not go below 50 are each checked without a lock',
    setup: (prisma) => createWallets(prisma, 60),
    broken: { ada: withdrawFromFamily(1, undefined), ben: withdrawFromFamily(2, undefined) },
    fixed: { ada: withdrawFromFamily(1, 'forNoKeyUpdate'), ben: withdrawFromFamily(2, 'forNoKeyUpdate') },
    invariant: async (prisma) => (await prisma.wallet.aggregate({ _sum: { balance: true } }))._sum.balance!.gte(50),
    anomaly: 'write skew (G2-item)',
  },
  {
    title: 'the lock is taken after the read',
    setup: createCompany,
    broken: twice((prisma) =>
      prisma.$transaction(async (tx) => {
        const { count } = await tx.company.findUniqueOrThrow({ where: { id: 1 } })
        await tx.company.findUniqueOrThrow({ where: { id: 1 }, lock: 'forUpdate' })
        await tx.company.update({ where: { id: 1 }, data: { count: count + 1 } })
      }),
    ),
    fixed: twice(addOneUnder('forUpdate')),
    invariant: bothCounted,
    anomaly: 'lost update (P4)',
  },
  {
    title: 'the lock is of a strength that two may hold',
    setup: createCompany,
    broken: twice(addOneUnder('forKeyShare')),
    fixed: twice(addOneUnder('forNoKeyUpdate')),
    invariant: bothCounted,
    anomaly: 'lost update (P4)',
  },
  {
    title: 'two operations on one wallet lock different rows',
    setup: (prisma) => createWallets(prisma, 100),
    broken: { credit: changeBalance('user', 10), withdraw: changeBalance('wallet', -10) },
    fixed: { credit: changeBalance('wallet', 10), withdraw: changeBalance('wallet', -10) },
    invariant: async (prisma) => (await prisma.wallet.findUniqueOrThrow({ where: { id: 1 } })).balance.eq(100),
    anomaly: 'lost update (P4)',
  },
  {
    title: 'the lock is taken inside a savepoint, and is lost when that is rolled back',
    setup: createCompany,
    broken: twice(addOneAfterSavepoint({ lockFirst: false })),
    fixed: twice(addOneAfterSavepoint({ lockFirst: true })),
    invariant: bothCounted,
    anomaly: 'lost update (P4)',
  },
  {
    title: 'a condition inside a subquery is not looked at again after the wait for the lock',
    setup: createEvent(2, 0),
    broken: { ada: claimSeat(1, CLAIM.behindSubquery), ben: claimSeat(2, CLAIM.behindSubquery) },
    fixed: { ada: claimSeat(1, CLAIM.besideLock), ben: claimSeat(2, CLAIM.besideLock) },
    invariant: eachHasASeat,
    anomaly: 'lost update (P4)',
  },
  {
    title: 'SKIP LOCKED picks a row in a subquery of a statement of its own, and the lock ends with the statement',
    setup: createEvent(2, 0),
    broken: { ada: claimSeatOutside(1), ben: claimSeatOutside(2) },
    fixed: { ada: claimSeat(1, CLAIM.inSubquery), ben: claimSeat(2, CLAIM.inSubquery) },
    invariant: eachHasASeat,
    anomaly: 'lost update (P4)',
  },
  {
    title: 'a limit is counted, and then a row is inserted',
    setup: createEvent(0, 1),
    broken: { ada: buyWithinLimit(1, undefined), ben: buyWithinLimit(2, undefined) },
    fixed: { ada: buyWithinLimit(1, 'forNoKeyUpdate'), ben: buyWithinLimit(2, 'forNoKeyUpdate') },
    invariant: oneTicketSold,
    anomaly: 'double insert',
  },
  {
    title: 'under REPEATABLE READ the wait for an advisory lock comes after the snapshot',
    setup: createEvent(0, 1),
    broken: { ada: buyUnderAdvisoryLock(1, 'RepeatableRead'), ben: buyUnderAdvisoryLock(2, 'RepeatableRead') },
    fixed: { ada: buyUnderAdvisoryLock(1, 'ReadCommitted'), ben: buyUnderAdvisoryLock(2, 'ReadCommitted') },
    invariant: oneTicketSold,
    anomaly: 'double insert',
  },
  {
    title: 'an upsert is made of a find and a create',
    setup: async () => undefined,
    broken: twice(async (prisma) => {
      const company = await prisma.company.findUnique({ where: { name: 'Acme' } })
      if (company) await prisma.company.update({ where: { id: company.id }, data: { count: { increment: 1 } } })
      else await prisma.company.create({ data: { name: 'Acme', count: 1 } })
    }),
    fixed: twice((prisma) =>
      prisma.company.upsert({ where: { name: 'Acme' }, create: { name: 'Acme', count: 1 }, update: { count: { increment: 1 } } }),
    ),
    invariant: async (prisma, { outcomes }) =>
      allFulfilled(outcomes) === true
        ? (await prisma.company.findUnique({ where: { name: 'Acme' } }))?.count === 2
        : allFulfilled(outcomes),
    anomaly: 'double insert',
  },
]

function withdrawFromFamily(id: number, lock: LockStrength | undefined): Operation {
  return (prisma) =>
    prisma.$transaction(async (tx) => {
      const wallets = await tx.wallet.findMany({ orderBy: { id: 'asc' }, ...(lock && { lock }) })
      const total = wallets.reduce((sum, { balance }) => sum + Number(balance), 0)
      if (total - 50 < 50) return
      await tx.wallet.update({ where: { id }, data: { balance: { decrement: 50 } } })
    })
}

function addOneUnder(lock: LockStrength): Operation {
  return (prisma) =>
    prisma.$transaction(async (tx) => {
      const { count } = await tx.company.findUniqueOrThrow({ where: { id: 1 }, lock })
      await tx.company.update({ where: { id: 1 }, data: { count: count + 1 } })
    })
}

function addOneAfterSavepoint({ lockFirst }: { lockFirst: boolean }): Operation {
  return (prisma) =>
    prisma.$transaction(async (tx) => {
      const read = () => tx.company.findUniqueOrThrow({ where: { id: 1 }, lock: 'forUpdate' })
      let company = lockFirst ? await read() : undefined
      await tx.$executeRaw`SAVEPOINT optional`
      company ??= await read()
      await tx.$executeRaw`ROLLBACK TO SAVEPOINT optional`
      await tx.company.update({ where: { id: 1 }, data: { count: company.count + 1 } })
    })
}

function changeBalance(lockOn: 'user' | 'wallet', by: number): Operation {
  return (prisma) =>
    prisma.$transaction(async (tx) => {
      if (lockOn === 'user') await tx.user.findUniqueOrThrow({ where: { id: 1 }, lock: 'forNoKeyUpdate' })
      const { balance } = await tx.wallet.findUniqueOrThrow({
        where: { id: 1 },
        ...(lockOn === 'wallet' && { lock: 'forNoKeyUpdate' as const }),
      })
      await tx.wallet.update({ where: { id: 1 }, data: { balance: balance.plus(by) } })
    })
}

async function bothCounted(prisma: Parameters<Operation>[0], { outcomes }: Parameters<PlantedBug['invariant']>[1]): Promise<string | true> {
  const count = await readCount(prisma)
  return count === countFulfilled(outcomes) ? true : `The count is ${count} after ${countFulfilled(outcomes)} increments.`
}

function createEvent(seats: number, remaining: number): Operation {
  return async (prisma) => {
    await prisma.user.createMany({
      data: [
        { id: 1, name: 'Ada' },
        { id: 2, name: 'Ben' },
      ],
    })
    await prisma.event.create({ data: { id: 1, name: 'Concert', remaining } })
    await prisma.ticket.createMany({ data: Array.from({ length: seats }, (_, index) => ({ id: index + 1, eventId: 1, seat: index + 1 })) })
  }
}

function claimSeat(userId: number, claim: string): Operation {
  return (prisma) =>
    prisma.$transaction(async (tx) => {
      const [seat] = await tx.$queryRawUnsafe<{ id: number }[]>(claim)
      if (seat) await tx.ticket.update({ where: { id: seat.id }, data: { userId, soldAt: SOLD_AT } })
      return seat?.id
    })
}

function claimSeatOutside(userId: number): Operation {
  return async (prisma) => {
    const [seat] = await prisma.$queryRawUnsafe<{ id: number }[]>(CLAIM.inSubquery)
    if (seat) await prisma.ticket.update({ where: { id: seat.id }, data: { userId, soldAt: SOLD_AT } })
    return seat?.id
  }
}

/** Who was told to have a seat must have it. */
async function eachHasASeat(
  prisma: Parameters<Operation>[0],
  { outcomes }: Parameters<PlantedBug['invariant']>[1],
): Promise<string | true> {
  const told = Object.values(outcomes).filter((outcome) => outcome.status === 'fulfilled' && outcome.value !== undefined).length
  const sold = await prisma.ticket.count({ where: { userId: { not: null } } })
  return sold === told ? true : `${told} were told to have a seat, and ${sold} ${sold === 1 ? 'seat is' : 'seats are'} taken.`
}

function buyWithinLimit(userId: number, lock: LockStrength | undefined): Operation {
  return (prisma) =>
    prisma.$transaction(async (tx) => {
      const event = await tx.event.findUniqueOrThrow({ where: { id: 1 }, ...(lock && { lock }) })
      const sold = await tx.ticket.count({ where: { eventId: 1 } })
      if (sold < event.remaining) await tx.ticket.create({ data: { eventId: 1, userId, soldAt: SOLD_AT } })
    })
}

function buyUnderAdvisoryLock(userId: number, isolationLevel: IsolationLevel): Operation {
  return (prisma) =>
    prisma.$transaction(
      async (tx) => {
        await tx.$advisoryLock('event 1')
        const sold = await tx.ticket.count({ where: { eventId: 1 } })
        if (sold < 1) await tx.ticket.create({ data: { eventId: 1, userId, soldAt: SOLD_AT } })
      },
      { isolationLevel },
    )
}

async function oneTicketSold(prisma: Parameters<Operation>[0]): Promise<boolean> {
  return (await prisma.ticket.count()) === 1
}
