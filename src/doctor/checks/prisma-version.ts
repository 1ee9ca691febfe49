import { defineCheck } from '../check.js'

const SUPPORTED = 7

/** What a lock is put into is the SQL that Prisma 7 writes. */
export const prismaVersionCheck = defineCheck({
  name: 'prisma-version',
  docs: 'README.md#limits',
  needs: ['client'],
  run: ({ client: { prismaVersion } }) => {
    const major = Number.parseInt(prismaVersion, 10)
    if (major === SUPPORTED) return [{ level: 'ok', what: `Prisma is ${prismaVersion}.` }]
    return [
      {
        level: 'problem',
        what: `Prisma is ${prismaVersion}, and rowlock is made for ${SUPPORTED}.`,
        todo: `Install @prisma/client and prisma ${SUPPORTED}.`,
      },
    ]
  },
})
