/** How much a finding matters: nothing to do, good to know, likely to bite, or wrong. */
export type FindingLevel = 'ok' | 'note' | 'warning' | 'problem'

/** What a check says of one thing that it looked at. */
export interface Remark {
  readonly level: FindingLevel
  /** What is, in one sentence. */
  readonly what: string
  /** What to do about it, in one sentence; none where there is nothing to do. */
  readonly todo?: string
}

/** A remark, with the check that made it. */
export interface Finding extends Remark {
  readonly check: string
  /** Where in the documentation the reasons are. */
  readonly docs: string
}
