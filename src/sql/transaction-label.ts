import { InvalidOptionError } from '../core/errors.js'

/**
 * The label of a transaction stands in its session's `application_name`, as `<application name> rowlock:<label>`: the one
 * thing of a session that is to be seen by all others at once, and that ends with the transaction.
 */

const MARK = ' rowlock:'
/** What a name in PostgreSQL has at most, in bytes. An `application_name` is ASCII. */
const MAX_NAME_LENGTH = 63
const MAX_LABEL_LENGTH = 40

/** @throws {InvalidOptionError} when `label` is neither undefined nor 1 to 40 printable characters of ASCII. */
export function parseLabel(label: unknown): string | undefined {
  if (label === undefined) return undefined
  if (typeof label !== 'string' || label.length > MAX_LABEL_LENGTH || !/^[ -~]+$/.test(label)) {
    throw new InvalidOptionError('label', label, `a string of 1 to ${MAX_LABEL_LENGTH} printable ASCII characters`)
  }
  return label
}

/** What a SELECT list needs behind it to set the label for the rest of the transaction; nothing without one. */
export function andSetLabel(label: string | undefined): string {
  if (label === undefined) return ''
  const end = MARK + label
  const kept = MAX_NAME_LENGTH - end.length
  return `, set_config('application_name', left(current_setting('application_name'), ${kept}) || ${quoteText(end)}, true)`
}

/** What an `application_name` consists of. */
export interface LabelledName {
  readonly applicationName: string
  readonly label?: string
}

const LABELLED = new RegExp(`^(.*?)${MARK}(.{1,${MAX_LABEL_LENGTH}})$`)

/** Takes an `application_name` apart. */
export function readLabel(name: string): LabelledName {
  const [, applicationName = name, label] = LABELLED.exec(name) ?? []
  return { applicationName, ...(label !== undefined && { label }) }
}

/** With E in front it reads the same whatever `standard_conforming_strings` is. */
const quoteText = (text: string): string => `E'${text.replaceAll(/['\\]/g, '$&$&')}'`
