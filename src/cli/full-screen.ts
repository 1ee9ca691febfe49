import { emitKeypressEvents, type Key } from 'node:readline'
import * as escapes from 'ansi-escapes'
import { canAnimate } from './terminal.js'

/** The terminal's other screen, from when it is opened to when it is disposed, or the process ends in any way but SIGKILL. */
export interface FullScreen extends Disposable {
  readonly width: number
  readonly height: number
  /** Shows these lines from the top; what is below them is gone. None may be wider than the screen. */
  draw(lines: readonly string[]): void
}

export interface FullScreenOptions {
  /** Told the name of a key, such as `q`, `up`, `space` or `ctrl-c`. The terminal sends no signals of its own. */
  readonly onKey: (key: string) => void
  readonly onResize: () => void
}

/** Whether there is a screen to draw on, and somebody at its keys. */
export const hasFullScreen = (): boolean => process.stdin.isTTY && canAnimate()

export function openFullScreen({ onKey, onResize }: FullScreenOptions): FullScreen {
  const { stdin, stdout } = process
  let drawn: readonly string[] = []

  const keypress = (text: string | undefined, { name = text, ctrl, meta }: Key): void => {
    if (name !== undefined) onKey(`${ctrl ? 'ctrl-' : ''}${meta && name !== 'escape' ? 'alt-' : ''}${name}`)
  }
  const resize = (): void => {
    drawn = []
    stdout.write(escapes.eraseScreen)
    onResize()
  }
  const restore = (): void => {
    process.off('exit', restore)
    stdin.off('keypress', keypress)
    stdout.off('resize', resize)
    stdin.setRawMode(false)
    stdin.pause()
    stdout.write(escapes.cursorShow + escapes.exitAlternativeScreen)
  }

  // Node prints an error that nobody has caught after this, so that it is not lost with the screen.
  process.on('exit', restore)
  emitKeypressEvents(stdin)
  stdin.on('keypress', keypress)
  stdout.on('resize', resize)
  stdin.setRawMode(true)
  stdin.resume()
  stdout.write(escapes.enterAlternativeScreen + escapes.cursorHide + escapes.eraseScreen)

  return {
    // A terminal may not know its size, and say that it is 0.
    get width() {
      return stdout.columns || 80
    },
    get height() {
      return stdout.rows || 24
    },
    draw(lines) {
      // Only what has changed, and at once where the terminal can do that: there is nothing to flicker.
      const rows = Array.from({ length: Math.max(lines.length, drawn.length) }, (_, row) => lines[row] ?? '')
      const changes = rows.flatMap((line, row) => (line === drawn[row] ? [] : [escapes.cursorTo(0, row), escapes.eraseLine, line]))
      if (changes.length > 0) stdout.write(escapes.synchronizedOutput(changes.join('')))
      drawn = lines
    },
    [Symbol.dispose]: restore,
  }
}
