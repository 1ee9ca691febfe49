import { credit } from 'rowlock/repositories'
import type { Prisma } from '../client.js'
import type { Job, JobTransaction } from './worker.js'

export const PAYMENTS = 'payments'

/** What a job of the queue is about. */
export type Payment = {
  readonly paymentId: string
  readonly userId: number
  readonly amount: string
}

/** Asks for payments to be credited. Given the client of a transaction, the jobs come with what else it commits, or not at all. */
export async function enqueuePayments(db: Pick<Prisma, 'job'>, payments: readonly Payment[]): Promise<void> {
  await db.job.createMany({ data: payments.map((payload) => ({ queue: PAYMENTS, payload })) })
}

/**
 * Credits a payment to its user's wallet. The key is the payment's and not the job's: a payment that was
 * enqueued twice is two jobs, and one credit.
 */
export async function creditPayment(tx: JobTransaction, { payload }: Job): Promise<void> {
  const { paymentId, userId, amount } = payload as Payment
  await credit(tx, { userId, amount, idempotencyKey: paymentId })
}
