import { leaseLocker } from 'rowlock/lockers'
import { createClient } from '../../support/client.js'
import { useDatabase } from '../../support/database.js'
import { lockerSuite } from '../../support/lockers/locker-suite.js'

const database = useDatabase()

lockerSuite({
  name: 'leaseLocker',
  setup: async () => {
    const { prisma } = createClient(database)
    const [locker, other] = [leaseLocker(prisma, { ttl: 30_000 }), leaseLocker(prisma, { ttl: 30_000 })]
    return { locker, other, close: () => prisma.$disconnect() }
  },
  fences: true,
  processes: {
    module: new URL('../../support/lockers/lease-actors.ts', import.meta.url),
    exportName: 'leaseIncrement',
    database,
  },
})
