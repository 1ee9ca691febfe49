import type { Check, FactKind, Facts, FactsWith } from './check.js'
import { CHECKS } from './checks.js'
import type { Finding, FindingLevel, Remark } from './finding.js'

/** Why facts are missing, and what to do to have them. */
export type MissingFacts = Partial<Readonly<Record<FactKind, Omit<Remark, 'level'> & { readonly level?: FindingLevel }>>>

/** Runs every check whose facts are there, and says of the others why they were not run. Pure. */
export function diagnose(facts: Facts, missing: MissingFacts, checks: readonly Check[] = CHECKS): Finding[] {
  const isMissing = (kind: FactKind) => facts[kind] === undefined
  const skipped = (Object.keys(missing) as FactKind[]).filter(isMissing).map((kind): Finding => {
    const names = checks.filter(({ needs }) => needs.includes(kind)).map(({ name }) => name)
    const { level = 'note', what, todo } = missing[kind]!
    return {
      check: kind,
      level,
      what: `${what} Not checked: ${names.join(', ')}.`,
      ...(todo !== undefined && { todo }),
      docs: 'docs/cli.md#rowlock-doctor',
    }
  })
  const found = checks
    .filter(({ needs }) => !needs.some(isMissing))
    .flatMap(({ name, docs, run }) => run(facts as FactsWith<FactKind>).map((remark): Finding => ({ check: name, ...remark, docs })))
  return [...skipped, ...found]
}
