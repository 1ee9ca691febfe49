import { fork, type ForkOptions, type Serializable } from 'node:child_process'
import { once } from 'node:events'

/** Starts a process of a measurement, which stays for all rounds and gives one answer to each message. */
export function startAsked<Answer>(script: URL, args: readonly string[], options: ForkOptions) {
  const child = fork(script, args, options)
  const exited = once(child, 'exit')
  return {
    async ask(question: Serializable): Promise<Answer> {
      const gone = exited.then(() => {
        throw new Error('A process of the measurement ended before its time.')
      })
      child.send(question)
      const [answer] = (await Promise.race([once(child, 'message'), gone])) as [Answer]
      return answer
    },
    async end(): Promise<void> {
      if (child.connected) child.disconnect()
      await exited
    },
  }
}
