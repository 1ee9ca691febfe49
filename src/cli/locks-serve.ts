import { describeDatabase } from './locks/describe-database.js'
import { serveLocks, type ServeLocksOptions } from './locks-server.js'

export interface LocksServeOptions extends Pick<ServeLocksOptions, 'read' | 'port' | 'signal'> {
  /** Of the database that is read; shown without user and password. */
  readonly url: string
}

/** `rowlock locks --serve`: says where the page is, and returns when it has been ended. */
export async function runLocksServe({ url, ...options }: LocksServeOptions): Promise<void> {
  const database = describeDatabase(url)
  const page = await serveLocks({ ...options, database })
  console.log(`The locks of ${database} are on ${page.url}\nOnly this machine can open it. Ctrl-C ends it.`)
  await page.ended
}
