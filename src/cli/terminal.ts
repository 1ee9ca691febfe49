/** Asks the terminal; it knows of NO_COLOR, FORCE_COLOR and TERM. A pipe is none. */
export function hasColors(): boolean {
  return process.stdout.isTTY && process.stdout.hasColors()
}

/** Whether lines that were written can be changed. A CI log that pretends to be a terminal would keep every frame. */
export function canAnimate(): boolean {
  return process.stdout.isTTY && process.env['TERM'] !== 'dumb' && !process.env['CI']
}

/** An animation hides it, and one that was ended by force never shows it again. */
export function showCursor(): void {
  if (process.stdout.isTTY) process.stdout.write('\u001B[?25h')
}

/** Ends the process once all is written, also when a file that a command has loaded left connections or timers open. */
export async function endProcess(exitCode: number): Promise<never> {
  for (const stream of [process.stdout, process.stderr]) await new Promise((resolve) => stream.write('', resolve))
  process.exit(exitCode)
}
