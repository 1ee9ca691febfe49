import { bigintAsText } from './bigint-as-text.js'
import { toForest } from './lock-forest.js'
import type { LockView } from './lock-view.js'

/** What the live page shows, for programs. Every session is in it once; bigints are text. */
export function lockViewToJson({ tree, ...view }: LockView): string {
  const forest = tree && { readAt: tree.readAt, roots: toForest(tree).roots, deadlocks: tree.deadlocks }
  return JSON.stringify({ ...view, tree: forest ?? null }, bigintAsText, 2)
}
