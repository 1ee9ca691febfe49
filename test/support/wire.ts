import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, rowLocks } from 'rowlock'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import type { TestDatabase } from './database.js'
import { startTcpProxy } from './tcp-proxy.js'

/** A client on one connection, which is open, and what it has sent since then: one entry for each round trip. */
export async function throughProxy(database: TestDatabase) {
  const proxy = await startTcpProxy(database.url)
  const pool = database.watch(new Pool({ connectionString: proxy.url, max: 1 }))
  const client = new PrismaClient({ adapter: lockable(new PrismaPg(pool)) }).$extends(rowLocks())
  await client.company.count()
  const sent: string[] = []
  proxy.fate = (data) => {
    sent.push(data.toString('latin1'))
    return 'pass'
  }
  return {
    client,
    proxy,
    sent,
    async [Symbol.asyncDispose]() {
      await pool.end()
      await proxy[Symbol.asyncDispose]()
    },
  }
}

/** The types of the messages of the protocol that a client has sent. */
export const messagesOf = (sent: string): string => [...eachMessage(sent)].map(({ type }) => type).join('')

/** The SQL that a client has sent to be parsed. */
export const parsedTexts = (sent: string): string[] =>
  [...eachMessage(sent)].flatMap(({ type, body }) => (type === 'P' ? [body.toString('utf8').split('\0')[1]!] : []))

function* eachMessage(sent: string): Generator<{ readonly type: string; readonly body: Buffer }> {
  const data = Buffer.from(sent, 'latin1')
  let at = 0
  while (at < data.length) {
    const type = String.fromCharCode(data[at]!)
    const end = at + 1 + data.readInt32BE(at + 1)
    yield { type, body: data.subarray(at + 5, end) }
    at = end
  }
}
