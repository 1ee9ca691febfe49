import { spawnSync } from 'node:child_process'

/** Whom to run PostgreSQL as. */
export interface UnprivilegedUser {
  readonly uid: number
  readonly gid: number
}

// Every Unix has nobody, and it owns nothing, so no account needs to be made. A container with a
// short uid map may not have it; postgres is the next most likely account there.
const CANDIDATES = ['nobody', 'postgres']

/**
 * The account to run PostgreSQL as when this process is root, which PostgreSQL refuses to run as;
 * `undefined` when it is not root, or when no account can be used.
 */
export function findUnprivilegedUser(): UnprivilegedUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  for (const name of CANDIDATES) {
    const user = { uid: idOf(name, '-u'), gid: idOf(name, '-g') }
    if (user.uid > 0 && user.gid > 0 && canBecome(user)) return user
  }
  return undefined
}

function idOf(name: string, flag: '-u' | '-g'): number {
  const { status, stdout } = spawnSync('id', [flag, name], { encoding: 'utf8' })
  return status === 0 ? Number(stdout) : Number.NaN
}

/** In a user namespace an account can be listed without being mapped: only trying tells. */
function canBecome(user: UnprivilegedUser): boolean {
  return spawnSync('id', ['-u'], { ...user, cwd: '/' }).status === 0
}
