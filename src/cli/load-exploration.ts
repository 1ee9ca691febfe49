import type { ExploreOptions } from '../harness/explore/explore.js'
import { CommandFileError, loadFile, locateFile } from './command-file.js'

const EXPORT = 'exploration'

/**
 * Loads the named export `exploration` of a JavaScript or TypeScript file.
 *
 * @throws {CommandFileError} when there is no such file or export.
 * @throws What the file itself throws.
 */
export async function loadExploration(file: string): Promise<ExploreOptions<unknown>> {
  const { [EXPORT]: options } = await loadFile(locateFile(file))
  if (typeof options === 'object' && options !== null) return options as ExploreOptions<unknown>
  throw new CommandFileError(file, `exports no \`${EXPORT}\`: write \`export const ${EXPORT} = defineExploration({ … })\`.`)
}
