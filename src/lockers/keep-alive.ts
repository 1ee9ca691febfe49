// In milliseconds.
const INTERVAL = 1_000
const ANSWER_LIMIT = 5_000

/**
 * Asks a session every second whether it is still there, until stopped. A dead connection that nobody uses
 * says nothing by itself; and servers and firewalls close those that are idle for long.
 *
 * @param ping Asks; undefined when another statement is under way, which ends by itself if the session does.
 * @param onGone Called once, with why, when `ping` fails or has no answer for 5 seconds.
 * @returns What stops it.
 */
export function keepAlive(ping: () => Promise<unknown> | undefined, onGone: (why: string, cause?: unknown) => void): () => void {
  let timer = setTimeout(beat, INTERVAL)
  let stopped = false

  function beat(): void {
    const answer = ping()
    if (!answer) return again()
    timer = setTimeout(() => end('the server no longer answers'), ANSWER_LIMIT)
    answer.then(again, (error: unknown) => end('its session is gone', error))
  }

  function again(): void {
    clearTimeout(timer)
    if (!stopped) timer = setTimeout(beat, INTERVAL)
  }

  function end(why: string, cause?: unknown): void {
    if (stopped) return
    stop()
    onGone(why, cause)
  }

  function stop(): void {
    stopped = true
    clearTimeout(timer)
  }

  return stop
}
