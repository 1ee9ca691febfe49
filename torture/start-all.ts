/** Waits for all that is being started; when one of them fails, ends the others. */
export async function startAll<T extends AsyncDisposable>(
  starting: readonly Promise<T>[],
): Promise<AsyncDisposable & { readonly started: readonly T[] }> {
  const results = await Promise.allSettled(starting)
  const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const all = {
    started,
    async [Symbol.asyncDispose]() {
      await Promise.all(started.map((one) => one[Symbol.asyncDispose]()))
    },
  }
  const failed = results.find((result) => result.status === 'rejected')
  if (!failed) return all
  await all[Symbol.asyncDispose]()
  throw failed.reason
}
