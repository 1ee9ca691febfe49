import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { RowLockError } from '../core/errors.js'
import type { ExploreOptions } from '../harness/explore/explore.js'
import { findTypeScriptLoader } from '../harness/find-typescript-loader.js'

const EXPORT = 'exploration'

/** The file of an exploration is not there, or exports no `exploration`. */
export class ExplorationFileError extends RowLockError {
  readonly code = 'EXPLORATION_FILE'
  readonly retryable = false
  readonly file: string

  constructor(file: string, what: string) {
    super(`${file} ${what}`)
    this.file = file
  }
}

/**
 * Loads the named export `exploration` of a JavaScript or TypeScript file.
 *
 * @throws {ExplorationFileError} when there is no such file or export.
 * @throws What the file itself throws.
 */
export async function loadExploration(file: string): Promise<ExploreOptions<unknown>> {
  const path = resolve(file)
  if (!existsSync(path)) throw new ExplorationFileError(file, 'is not there.')
  const url = pathToFileURL(path)
  // What `node --import` would do before anything else.
  const [, loader] = findTypeScriptLoader([url])
  if (loader !== undefined) await import(loader)
  const { [EXPORT]: options } = (await import(url.href)) as Readonly<Record<string, unknown>>
  if (typeof options === 'object' && options !== null) return options as ExploreOptions<unknown>
  throw new ExplorationFileError(file, `exports no \`${EXPORT}\`: write \`export const ${EXPORT} = defineExploration({ … })\`.`)
}
