import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidOptionError } from '../../core/errors.js'

/** Where Prisma looks for a schema by itself. */
const DEFAULTS = ['prisma/schema.prisma', 'schema.prisma', 'prisma/schema']

/**
 * The text of a project's Prisma schema, of all its files where it is a folder.
 *
 * @param given - the file or folder; undefined to look where Prisma does, under `project`.
 * @returns undefined when none was given and none is there.
 * @throws {InvalidOptionError} when the given one is not there.
 */
export async function readSchemaText(project: string, given: string | undefined): Promise<string | undefined> {
  for (const path of given === undefined ? DEFAULTS.map((one) => join(project, one)) : [given]) {
    const text = await readSchema(path)
    if (text !== undefined) return text
  }
  if (given === undefined) return undefined
  throw new InvalidOptionError('--schema', given, 'the path of a Prisma schema, a file or a folder')
}

async function readSchema(path: string): Promise<string | undefined> {
  try {
    if (!(await stat(path)).isDirectory()) return await readFile(path, 'utf8')
    const entries = await readdir(path, { recursive: true })
    const files = entries.filter((entry) => entry.endsWith('.prisma')).sort()
    return files.length === 0 ? undefined : (await Promise.all(files.map((file) => readFile(join(path, file), 'utf8')))).join('\n')
  } catch {
    return undefined
  }
}
