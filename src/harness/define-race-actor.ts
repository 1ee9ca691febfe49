/** What an actor's `connect` is given, once in each worker process. */
export interface RaceConnectContext<Input> {
  /** The `input` of raceProcesses, copied. */
  readonly input: Input
  /** The worker process, from 0. */
  readonly process: number
  /** Aborts when the race ends early. */
  readonly signal: AbortSignal
}

/** What one request of a race between processes is given. */
export interface RaceActorContext<Input, Client> extends RaceConnectContext<Input> {
  /** The request's number, from 0, unique over all processes. */
  readonly index: number
  /** What `connect` of this process returned. */
  readonly client: Client
}

/** One participant of {@link raceProcesses}: a client of its own, and what a request does with it. */
export interface RaceActor<Input, Client, Value> {
  /**
   * Makes this process's client, before the barrier. `$connect` is called on the client if it has
   * one; to have its first connection open at the barrier, run a query here. No client by default.
   */
  readonly connect?: ((context: RaceConnectContext<Input>) => Client | PromiseLike<Client>) | undefined
  /** Runs one request. Its value or error is recorded; it never ends the race. */
  readonly run: (context: RaceActorContext<Input, Client>) => Value | PromiseLike<Value>
  /** Closes the client. Calls `$disconnect` or `Symbol.asyncDispose` by default, where the client has it. */
  readonly disconnect?: ((client: Client) => unknown) | undefined
}

/**
 * Returns `actor` unchanged; it is there for the types. Export the result from a module and name the
 * module and the export to {@link raceProcesses}. An actor without a client may be exported as the
 * plain `run` function.
 *
 * @example
 * ```ts
 * // sell-seat.actor.ts
 * import { defineRaceActor } from 'rowlock/testing'
 *
 * export const sellSeat = defineRaceActor({
 *   connect: ({ input }: { input: { url: string } }) => ({ url: input.url, sold: 0 }),
 *   run: ({ client, index }) => {
 *     client.sold += 1
 *     return `${index} sold at ${client.url}`
 *   },
 * })
 * ```
 */
export function defineRaceActor<Input, Value, Client = undefined>(actor: RaceActor<Input, Client, Value>): RaceActor<Input, Client, Value> {
  return actor
}
