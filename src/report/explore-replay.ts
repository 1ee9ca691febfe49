import type { Counterexample } from '../explorer/report-types.js'
import { inOneLine, list } from './plain-text.js'

/** How to run a schedule again from a shell. */
export const replayCommand = (token: string): string => `npx rowlock explore file.ts --replay ${token}`

/** A test to paste; `options` are those that `explore` was called with. */
export function replayTest({ actors, anomaly }: Counterexample, token: string): string[] {
  return [
    `import { expectHolds, replay } from 'rowlock/testing'`,
    `import { test } from 'vitest'`,
    ``,
    `test(${quote(`${list(actors)}: no ${anomaly.name}`)}, async () => {`,
    `  expectHolds(await replay(${quote(token)}, options))`,
    `})`,
  ]
}

const quote = (text: string) => `'${inOneLine(text).replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
