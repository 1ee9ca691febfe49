/** The naive side of every scenario; loaded by the worker processes of raceProcesses. */
import type { PrismaClient } from '../../generated/prisma/client.js'
import { defineRaceActor } from '../../harness/define-race-actor.js'
import { type ActorInput, type ActorValue, type RunRequest, warmUp } from './actor.js'
import { createNaiveClient } from './naive-client.js'
import { naiveDecrementCount, naiveIncrementCount } from './naive/counter.js'
import { naivePlaceOrder } from './naive/order.js'
import { naiveSignIn } from './naive/sign-in.js'
import { naiveBuyTicket } from './naive/ticket.js'
import { naiveTransfer } from './naive/transfer.js'
import { naiveWithdraw } from './naive/wallet.js'
import * as requests from './requests.js'

function naive<Rows>(run: RunRequest<PrismaClient, Rows>) {
  return defineRaceActor({
    connect: (context: { input: ActorInput<Rows>; process: number }) => warmUp(createNaiveClient(context.input), context, run),
    run: async ({ client, input, index }): Promise<ActorValue> => {
      await run(client, input.rows, index)
      return { deadlocksRetried: 0 }
    },
  })
}

export const signIn = naive<requests.SignInRows>((prisma, rows) => naiveSignIn(prisma, rows))
export const buyTicket = naive<requests.TicketRows>((prisma, rows, index) => naiveBuyTicket(prisma, requests.toPurchase(rows, index)))
export const withdraw = naive<requests.WithdrawRows>((prisma, rows) => naiveWithdraw(prisma, rows))
export const changeCount = naive<requests.CounterRows>((prisma, { company }, index) =>
  (requests.isIncrement(index) ? naiveIncrementCount : naiveDecrementCount)(prisma, { company, count: 1 }),
)
export const placeOrder = naive<requests.OrderRows>((prisma, rows, index) => naivePlaceOrder(prisma, requests.toOrder(rows, index)))
export const transfer = naive<requests.TransferRows>((prisma, rows, index) => naiveTransfer(prisma, requests.toTransfer(rows, index)))
