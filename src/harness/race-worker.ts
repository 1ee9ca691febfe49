/**
 * The entry of a worker process of raceProcesses; forked, never imported.
 *
 * States: waiting -> preparing (prepare) -> ready -> running (start) -> drained -> closing (end) ->
 * exited. A failure or an abort leads from every state to exited, and so does the end of the parent.
 * It ends by process.exit, because a client of the module under test may keep the event loop alive.
 */
import process from 'node:process'
import { closeClient } from './close-client.js'
import type { RaceActor } from './define-race-actor.js'
import { describeError } from './describe-error.js'
import { loadRaceActor } from './load-race-actor.js'
import type { RaceProcessPhase } from './race-errors.js'
import type { MessageToParent, MessageToWorker, RaceAssignment } from './race-messages.js'
import { RaceStop } from './race-stop.js'
import type { RaceEvent } from './race-tally.js'
import { runRequests } from './run-requests.js'
import { toTransferable } from './to-transferable.js'
import { within } from '../core/within.js'

type Actor = RaceActor<unknown, unknown, unknown>

interface Session {
  readonly assignment: RaceAssignment
  readonly actor: Actor
  readonly client: unknown
}

/** Shorter than the parent's patience, so that an abort ends in a clean exit where it can. */
const CLOSE_TIMEOUT = 500

const stop = new RaceStop({})
let phase: RaceProcessPhase = 'start'
let session: Session | undefined
let unsent: RaceEvent[] = []

process.on('message', (message: MessageToWorker) => {
  handle(message).catch((error: unknown) => fail(error))
})
// Without its parent a worker would go on holding connections and row locks.
process.on('disconnect', () => process.exit(1))
if (!process.connected) process.exit(1)
// The parent gets the error itself, not just an exit code; unhandled rejections arrive here as well.
process.on('uncaughtException', (error) => fail(error))

async function handle(message: MessageToWorker): Promise<void> {
  switch (message.type) {
    case 'prepare':
      session = await prepare(message)
      return await send({ type: 'ready' })
    case 'start':
      return await runAll(session!)
    case 'end':
      phase = 'disconnect'
      await disconnect(session!)
      await send({ type: 'ended' })
      return process.exit(0)
    case 'abort':
      return await abort(message.message)
  }
}

async function prepare(assignment: RaceAssignment): Promise<Session> {
  phase = 'load'
  const actor = await loadRaceActor(assignment)
  phase = 'connect'
  const { input, process } = assignment
  const client = await actor.connect?.({ input, process, signal: stop.signal })
  if (hasConnect(client)) await client.$connect()
  return { assignment, actor, client }
}

async function runAll({ assignment, actor, client }: Session): Promise<void> {
  phase = 'run'
  const { indexes, concurrency, input, process } = assignment
  await runRequests({
    indexes,
    concurrency,
    run: (_, index) => actor.run({ input, process, index, client, signal: stop.signal }),
    stop,
    onEvent: report,
  })
  await flush()
  if (!stop.stopped) await send({ type: 'drained' })
}

// One message a turn of the event loop: a message an event would slow down the requests it reports.
function report(event: RaceEvent): void {
  if (unsent.length === 0) setImmediate(() => void flush())
  unsent.push(toMessage(event))
}

function toMessage(event: RaceEvent): RaceEvent {
  if (event.type === 'rejected') {
    const { error: _, ...error } = event.error
    return { ...event, error }
  }
  if (event.type === 'started') return event
  try {
    return { ...event, value: toTransferable(event.value) }
  } catch (cause) {
    const message = `The value of request ${event.index} cannot be copied to another process`
    fail(new TypeError(`${message}: return plain data.`, { cause }))
    return { ...event, value: undefined }
  }
}

async function flush(): Promise<void> {
  const events = unsent
  unsent = []
  if (events.length > 0) await send({ type: 'events', events })
}

async function disconnect({ actor, client }: Session): Promise<void> {
  await (actor.disconnect === undefined ? closeClient(client) : actor.disconnect(client))
}

async function abort(message: string): Promise<void> {
  stop.fail(() => undefined, new DOMException(message, 'AbortError'))
  // Requests that answer the signal at once are still counted.
  await new Promise((resolve) => setImmediate(resolve))
  await flush()
  if (session !== undefined) await within(disconnect(session), CLOSE_TIMEOUT).catch(() => undefined)
  process.exit(1)
}

function fail(error: unknown): void {
  const { error: _, ...plain } = describeError(error, -1)
  const stack = error instanceof Error ? error.stack : undefined
  const failed: MessageToParent = { type: 'failed', phase, problem: PROBLEMS[phase], error: plain, stack }
  void flush()
    .then(() => send(failed))
    .finally(() => process.exit(1))
}

const PROBLEMS: Record<RaceProcessPhase, string> = {
  start: 'could not start',
  load: 'could not load its module',
  connect: 'could not connect',
  run: 'failed outside a request',
  disconnect: 'could not disconnect',
}

/** Resolves when the message has left this process, so that an exit does not lose it. */
function send(message: MessageToParent): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) return resolve()
    process.send(message, undefined, undefined, () => resolve())
  })
}

function hasConnect(client: unknown): client is { $connect: () => unknown } {
  return typeof client === 'object' && client !== null && '$connect' in client
}
