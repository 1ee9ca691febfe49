import type { PrismaClient } from '../../../generated/prisma/client.js'

interface Purchase {
  eventId: number
  userId: number
}

/** Wrong when run in parallel: everyone who reads "1 remaining" before the first sale gets a ticket. */
export async function naiveBuyTicket(prisma: PrismaClient, { eventId, userId }: Purchase): Promise<void> {
  const event = await prisma.event.findUnique({ where: { id: eventId } })
  if (!event) throw new Error('There is no such event.')
  if (event.remaining < 1) throw new Error('Sold out.')

  await prisma.event.update({ where: { id: eventId }, data: { remaining: event.remaining - 1 } })
  await prisma.ticket.create({ data: { eventId, userId, soldAt: new Date() } })
}

/** Wrong when run in parallel: everyone finds the same free seat, and the last one to write keeps it. */
export async function naiveBuyAnyTicket(prisma: PrismaClient, { eventId, userId }: Purchase): Promise<void> {
  const seat = await prisma.ticket.findFirst({ where: { eventId, userId: null }, orderBy: { seat: 'asc' } })
  if (!seat) throw new Error('Sold out.')
  await prisma.ticket.update({ where: { id: seat.id }, data: { userId, soldAt: new Date() } })
}
