import type { PrismaClient } from '../../../generated/prisma/client.js'

interface Count {
  company: string
  count: number
}

/** Wrong when run in parallel with the two below: they write over it from what they read before it. */
export async function naiveSetCount(prisma: PrismaClient, { company: name, count }: Count): Promise<void> {
  const company = await prisma.company.findUnique({ where: { name } })
  if (!company) throw new Error('There is no such company.')
  await prisma.company.update({ where: { name }, data: { count } })
}

/** Wrong when run in parallel: of two calls that read the same count, one is lost. */
export async function naiveIncrementCount(prisma: PrismaClient, { company: name, count }: Count): Promise<void> {
  const company = await prisma.company.findUnique({ where: { name } })
  if (!company) throw new Error('There is no such company.')
  await prisma.company.update({ where: { name }, data: { count: company.count + count } })
}

/** Wrong when run in parallel: of two calls that read the same count, one is lost, and more is taken than there is. */
export async function naiveDecrementCount(prisma: PrismaClient, { company: name, count }: Count): Promise<void> {
  const company = await prisma.company.findUnique({ where: { name } })
  if (!company) throw new Error('There is no such company.')
  if (company.count < count) throw new Error('The count is too low.')
  await prisma.company.update({ where: { name }, data: { count: company.count - count } })
}
