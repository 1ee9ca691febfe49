// Strings, with E'…' and its backslashes, dollar-quoted ones, and numbers that are not part of a name or a placeholder.
const LITERALS = /[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|(\$\w*\$)[^]*?\1|(?<![\w$"])\d[\d.]*(?:[eE][+-]?\d+)?/g

/**
 * SQL with `?` in place of every value that stands in it, as the conventions want the text of a query that may not be
 * parameterized. PostgreSQL cuts long queries off, which may end in the middle of a literal.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/database/database-spans/#sanitization-of-dbquerytext
 */
export function withoutLiterals(sql: string): string {
  return sql.replace(LITERALS, '?').replace(/(?:'|\$\w*\$)[^]*$/, '?')
}
