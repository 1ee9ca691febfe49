import type { RaceActor } from './define-race-actor.js'

/**
 * Imports a module and returns its export `exportName` as an actor.
 *
 * @throws {TypeError} when there is no such export, or when it is neither a function nor an actor.
 */
export async function loadRaceActor(from: {
  readonly module: string
  readonly exportName: string
}): Promise<RaceActor<unknown, unknown, unknown>> {
  const exports = (await import(from.module)) as Record<string, unknown>
  const exported = exports[from.exportName]
  if (exported === undefined) {
    const names = Object.keys(exports).join(', ') || 'nothing'
    throw new TypeError(`${from.module} has no export \`${from.exportName}\`; it exports ${names}.`)
  }
  if (typeof exported === 'function') return { run: exported as RaceActor<unknown, unknown, unknown>['run'] }
  if (isActor(exported)) return exported
  throw new TypeError(`\`${from.exportName}\` of ${from.module} must be a function or come from defineRaceActor.`)
}

function isActor(exported: unknown): exported is RaceActor<unknown, unknown, unknown> {
  return typeof exported === 'object' && exported !== null && typeof (exported as { run?: unknown }).run === 'function'
}
