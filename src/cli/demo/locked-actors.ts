/** The side with row locks of every scenario; loaded by the worker processes of raceProcesses. */
import { defineRaceActor } from '../../harness/define-race-actor.js'
import * as counter from '../../repositories/counter.js'
import * as order from '../../repositories/order.js'
import * as signIns from '../../repositories/sign-in.js'
import * as ticket from '../../repositories/ticket.js'
import * as wallet from '../../repositories/wallet.js'
import { type ActorInput, type ActorValue, type RunRequest, warmUp } from './actor.js'
import { createLockedClient, type LockedClient } from './locked-client.js'
import * as requests from './requests.js'
import * as transfers from './transfer.js'

function locked<Rows>(run: RunRequest<LockedClient, Rows>) {
  let deadlocksRetried = 0
  return defineRaceActor({
    connect: (context: { input: ActorInput<Rows>; process: number }) =>
      warmUp(
        createLockedClient(context.input, () => deadlocksRetried++),
        context,
        run,
      ),
    run: async ({ client, input, index }): Promise<ActorValue> => {
      await run(client, input.rows, index)
      const value = { deadlocksRetried }
      deadlocksRetried = 0
      return value
    },
  })
}

export const signIn = locked<requests.SignInRows>((prisma, rows) => signIns.signIn(prisma, rows))
export const buyTicket = locked<requests.TicketRows>((prisma, rows, index) => ticket.buyTicket(prisma, requests.toPurchase(rows, index)))
export const withdraw = locked<requests.WithdrawRows>((prisma, rows) => wallet.withdraw(prisma, rows))
export const changeCount = locked<requests.CounterRows>((prisma, { company }, index) =>
  (requests.isIncrement(index) ? counter.incrementCount : counter.decrementCount)(prisma, { company, count: 1 }),
)
export const placeOrder = locked<requests.OrderRows>((prisma, rows, index) => order.placeOrder(prisma, requests.toOrder(rows, index)))
export const transfer = locked<requests.TransferRows>((prisma, rows, index) => transfers.transfer(prisma, requests.toTransfer(rows, index)))
export const transferPayerFirst = locked<requests.TransferRows>((prisma, rows, index) =>
  transfers.transferPayerFirst(prisma, requests.toTransfer(rows, index)),
)
