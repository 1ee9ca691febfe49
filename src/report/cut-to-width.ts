import cliTruncate from 'cli-truncate'
import stringWidth from 'string-width'

/** A line that takes no more columns of a terminal than `width`; where it is cut it ends with `…`. */
export function cutToWidth(line: string, width: number): string {
  const cut = cliTruncate(line, width)
  // cli-truncate 5, the last one for Node 20, lets a wide character stand with one half outside (its issue 28).
  return stringWidth(cut) > width ? cliTruncate(line, width - 1) : cut
}
