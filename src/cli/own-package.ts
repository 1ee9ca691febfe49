import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)

// By the package's own name: the way from this file to the root is one in the sources and another in the build.
const MANIFEST = require.resolve('rowlock/package.json')

/** The version of this package, as of its `package.json`. */
export const version = (require(MANIFEST) as { readonly version: string }).version

/** The folder of the migrations that the package brings. */
export const migrationsFolder = join(dirname(MANIFEST), 'prisma', 'migrations')
