import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { RowLockError } from '../core/errors.js'
import { findTypeScriptLoader } from '../harness/find-typescript-loader.js'

/** The file that a command was given is not there, or does not export what the command needs. */
export class CommandFileError extends RowLockError {
  readonly code = 'COMMAND_FILE'
  readonly retryable = false
  readonly file: string

  constructor(file: string, what: string) {
    super(`${file} ${what}`)
    this.file = file
  }
}

/**
 * Where a file is, relative to the working directory.
 *
 * @throws {CommandFileError} when there is none.
 */
export function locateFile(file: string): URL {
  const path = resolve(file)
  if (!isFile(path)) throw new CommandFileError(file, 'is not there.')
  return pathToFileURL(path)
}

/**
 * The exports of a JavaScript or TypeScript file.
 *
 * @throws What the file itself throws.
 */
export async function loadFile(url: URL): Promise<Readonly<Record<string, unknown>>> {
  // What `node --import` would do before anything else.
  const [, loader] = findTypeScriptLoader([url])
  if (loader !== undefined) await import(loader)
  return (await import(url.href)) as Readonly<Record<string, unknown>>
}

/** A folder cannot be imported, and some texts are no path at all. */
function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}
