import type { StepEvent, StepResult } from '../explorer/history.js'
import { inOneLine, count } from './plain-text.js'
import { isBoundary, isRead } from './shorten-sql.js'
import { shortenValue } from './shorten-value.js'

/** What a reader of a report meets again and again, in words; other codes stand alone. */
const SQL_STATE_NAMES: Readonly<Record<string, string>> = {
  '40P01': 'deadlock detected',
  '40001': 'could not serialize access',
  '55P03': 'lock not available',
  '57014': 'canceled',
  '23505': 'unique violation',
  '23503': 'foreign key violation',
  '23514': 'check violation',
  '23502': 'not-null violation',
  '25P02': 'transaction is aborted',
}

/** What came back, as `1 row: balance 100.00` or `40P01 deadlock detected`; empty where nothing does. */
export function describeResult({ sql, result }: StepEvent): string {
  if (!result) return 'no answer'
  if (failed(result)) return describeError(result)
  if (isBoundary(sql)) return ''
  const values = isRead(sql) && result.rows === 1 ? describeRow(result) : ''
  return `${count(result.rows, 'row')}${values && `: ${values}`}`
}

export const failed = (result: StepResult | undefined): boolean => result?.sqlState !== undefined || result?.error !== undefined

function describeError({ sqlState, error }: StepResult): string {
  if (sqlState === undefined) return inOneLine(error?.split('\n')[0] ?? 'failed').slice(0, 60)
  return inOneLine(`${sqlState} ${SQL_STATE_NAMES[sqlState] ?? ''}`)
}

const MAX_VALUES = 3
/** Which row it is stands in the statement; what it holds is what the operation goes on with. */
const KEY = /^id$|Id$|_id$/

function describeRow({ columns = [], values }: StepResult): string {
  const shown = columns
    .map((column, index) => ({ column, value: shortenValue(values?.[0]?.[index]) }))
    .filter(({ column, value }) => !KEY.test(column) && value !== '…')
  if (shown.length > MAX_VALUES) return ''
  return inOneLine(shown.map(({ column, value }) => `${column} ${value}`).join(', '))
}
