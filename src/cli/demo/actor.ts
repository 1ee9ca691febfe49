/** What goes between the demo and the worker processes of its races: plain data. */
export interface ActorInput<Rows> {
  readonly url: string
  /** The connections of each process. */
  readonly poolSize: number
  /** What the race is about. */
  readonly rows: Rows
  /** The same for each process, to run once before the race. */
  readonly warmUpRows: readonly Rows[]
}

/** What every request that succeeded returns. */
export interface ActorValue {
  /** Deadlocks that this process has retried since the last request that succeeded. */
  readonly deadlocksRetried: number
}

/** One request. */
export type RunRequest<Client, Rows> = (client: Client, rows: Rows, index: number) => Promise<unknown>

interface Connecting<Rows> {
  readonly input: ActorInput<Rows>
  readonly process: number
}

/**
 * Opens every connection and runs a request on rows of this process's own. What is loaded and compiled
 * the first time takes longer than a whole race: without this the first process would be done before the
 * others have begun, and the race would be one of start-up times.
 */
export async function warmUp<Client extends { user: { findFirst: () => PromiseLike<unknown> } }, Rows>(
  client: Client,
  { input, process }: Connecting<Rows>,
  run: RunRequest<Client, Rows>,
): Promise<Client> {
  await Promise.all(Array.from({ length: input.poolSize }, () => client.user.findFirst()))
  // On a busy machine the slow first time may exceed a time limit; the race then shows what it shows.
  // Twice: what goes well and what is refused are not the same code, and the race is of both.
  for (let time = 0; time < 2; time++) await run(client, input.warmUpRows[process]!, process).catch(() => undefined)
  return client
}
