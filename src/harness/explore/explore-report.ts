import { AssertionError } from 'node:assert'
import { InvalidOptionError } from '../../core/errors.js'
import { readable } from '../../core/option-checks.js'
import type { ExploreFacts } from '../../explorer/report-types.js'
import { renderExploreHtml } from '../../report/explore-html.js'
import { renderExploreText } from '../../report/explore-text.js'

/** The verdict of an exploration: its facts by `verdict`, and the ways to show them. */
export type ExploreReport = ExploreFacts & {
  /** The verdict and, when the invariant broke, the counterexample in lanes; plain text. */
  text(): string
  /** One self-contained page: a timeline of the counterexample. */
  html(): string
}

export function createReport(facts: ExploreFacts): ExploreReport {
  return Object.assign(facts, { text: () => renderExploreText(facts), html: () => renderExploreHtml(facts) })
}

/**
 * Fails with the counterexample as its message unless the report says that the invariant held.
 *
 * @param report What `explore` or `replay` returned.
 * @throws {InvalidOptionError} for anything but a report.
 * @throws {AssertionError} for any verdict but `held`, and for one that rests on no lock ever being waited for and no table shared.
 * @example
 * ```ts
 * const exploration = defineExploration({
 *   client: (adapter) => new PrismaClient({ adapter }).$extends(rowLocks()),
 *   setup: (prisma) => prisma.user.create({ data: { id: 1, name: 'Ada' } }),
 *   actors: { first: (prisma) => signIn(prisma, { userId: 1 }), second: (prisma) => signIn(prisma, { userId: 1 }) },
 * })
 * expectHolds(await explore(exploration))
 * ```
 */
export function expectHolds(report: ExploreReport): void {
  const { verdict, message } = readable(report, 'report', () => readVerdict(report))
  if (verdict === 'held') return
  throw new AssertionError({
    message,
    actual: verdict,
    expected: 'held',
    operator: 'expectHolds',
    stackStartFn: expectHolds,
  })
}

function readVerdict(report: ExploreReport): { readonly verdict: string; readonly message: string } {
  const { verdict, text } = (report ?? {}) as Partial<ExploreReport>
  const message: unknown = typeof text === 'function' ? (verdict === 'held' ? '' : text()) : undefined
  if (typeof verdict === 'string' && typeof message === 'string') return { verdict, message }
  throw new InvalidOptionError('report', report, 'a report of `explore` or `replay`')
}
