import { InsufficientBalanceError, SoldOutError } from 'rowlock/repositories'
import type { PrismaClient } from '../../src/generated/prisma/client.js'
import { naiveSignIn } from '../naive/sign-in.js'
import { naiveBuyTicket } from '../naive/ticket.js'
import { naiveCredit, naiveWithdraw } from '../naive/wallet.js'
import type { Operations } from './operations.js'

/**
 * Wrong: the same service over the code that reads, decides and writes. One request at a time it answers as
 * the right one does; under load it sells tickets that are not there.
 */
export function createNaiveOperations(prisma: PrismaClient): Operations {
  return {
    async signIn({ userId }) {
      await naiveSignIn(prisma, { userId })
      return {}
    },
    async credit({ userId, amount }) {
      await naiveCredit(prisma, { userId, amount: Number(amount) })
      return {}
    },
    async withdraw({ userId, amount }) {
      const refused = { 'The balance is too low.': () => readBalanceTooLow(prisma, userId, Number(amount)) }
      await refusing(naiveWithdraw(prisma, { userId, amount: Number(amount) }), refused)
      return {}
    },
    async buyTicket({ userId, eventId }) {
      await refusing(naiveBuyTicket(prisma, { userId, eventId }), { 'Sold out.': async () => new SoldOutError(eventId) })
      return {}
    },
  }
}

/** The refusals of the naive code are plain errors; as those of the repositories they have the same status. */
async function refusing(run: Promise<void>, refusals: Readonly<Record<string, () => Promise<Error>>>): Promise<void> {
  try {
    await run
  } catch (error) {
    const refusal = error instanceof Error ? refusals[error.message] : undefined
    throw refusal ? await refusal() : error
  }
}

async function readBalanceTooLow(prisma: PrismaClient, userId: number, amount: number): Promise<Error> {
  const { balance } = await prisma.wallet.findUniqueOrThrow({ where: { userId } })
  return new InsufficientBalanceError(userId, balance, balance.minus(balance).plus(amount))
}
