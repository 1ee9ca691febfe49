import { isRowLockError } from '../core/errors.js'

const REPEATS = 3

/**
 * Resolves an ambiguous commit by running again, for what changes nothing the second time: if the first run
 * was committed, the second one finds its result; if it is still being committed, the second one waits for it.
 *
 * @param isAnswer Whether an error of a later run proves that the first one left nothing. Any other leaves
 *   the outcome as open as it was.
 */
export async function runUntilKnown<R>(run: () => Promise<R>, isAnswer: (error: unknown) => boolean): Promise<R> {
  let ambiguous: unknown
  for (let repeats = 0; ; repeats++) {
    try {
      return await run()
    } catch (error) {
      if (isAmbiguous(error) && repeats < REPEATS) ambiguous ??= error
      else throw isAnswer(error) ? error : (ambiguous ?? error)
    }
  }
}

/** By its code: the client may have been extended by another copy of this package. */
function isAmbiguous(error: unknown): boolean {
  return isRowLockError(error) && error.code === 'AMBIGUOUS_COMMIT'
}
