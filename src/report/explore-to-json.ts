import type { ExploreFacts } from '../explorer/report-types.js'
import { bigintAsText } from './bigint-as-text.js'

/** The facts of an exploration as JSON text; bigints as text, bytes in base64. */
export function exploreToJson(facts: ExploreFacts): string {
  return JSON.stringify(facts, replace, 2)
}

function replace(this: unknown, key: string, value: unknown): unknown {
  // Its toJSON has run by now, and says every byte as a number.
  const original = (this as Record<string, unknown>)[key]
  if (original instanceof Uint8Array) return Buffer.from(original).toString('base64')
  return bigintAsText(key, value)
}
