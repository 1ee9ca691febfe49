import { InvalidOptionError } from '../../core/errors.js'
import { startDatabase } from '../database.js'

/** Which database to explore in. */
export type DatabaseChoice = string | { readonly url: string; readonly allow: true }

// As startDatabase names the databases that it makes, and their clones.
const SCRATCH_NAME = /^rowlock_[0-9a-f]{12}(_[0-9a-z_]+)?$/

/**
 * The database to explore in. An exploration overwrites rows, so a database that `startDatabase` did not
 * make is used only when the caller says that it may be.
 *
 * @throws {InvalidOptionError} for any other database.
 */
export async function openScratchDatabase(
  choice: DatabaseChoice | undefined,
  migrations = 'prisma/migrations',
): Promise<{ url: string } & AsyncDisposable> {
  if (choice === undefined) return startDatabase({ migrations })
  const url = typeof choice === 'string' ? choice : choice?.url
  const allowed = typeof choice === 'object' && choice?.allow
  if (typeof url !== 'string' || !URL.canParse(url))
    throw new InvalidOptionError('database', '(not shown)', 'the URL of a PostgreSQL database')
  const name = decodeURIComponent(new URL(url).pathname.slice(1))
  if (!allowed && !SCRATCH_NAME.test(name)) {
    throw new InvalidOptionError(
      'database',
      name,
      'a database made by `startDatabase`; an exploration overwrites rows, so say `{ url, allow: true }` for any other',
    )
  }
  return { url, [Symbol.asyncDispose]: async () => undefined }
}
