const MAX_LENGTH = 24
const TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/

/** A parameter's value, or a column's, as a few characters of SQL; `…` where it would be long. */
export function shortenValue(value: unknown): string {
  if (value === null || value === undefined) return 'NULL'
  if (value instanceof Date) return shortenText(value.toISOString())
  if (typeof value === 'string') return shortenText(value)
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (Array.isArray(value) && value.length <= 4) return `{${value.map(shortenValue).join(', ')}}`
  return '…'
}

function shortenText(text: string): string {
  // Prisma sends and reads decimals and bigints as text.
  if (/^-?\d+(?:\.\d+)?$/.test(text) && text.length <= MAX_LENGTH) return text
  if (TIME.test(text)) return /[T ]00:00:00/.test(text) ? `'${text.slice(0, 10)}'` : '…'
  return text.length > MAX_LENGTH ? `'${text.slice(0, MAX_LENGTH - 8)}…'` : `'${text.replaceAll("'", "''")}'`
}
