/**
 * Closes a client by the method it has: `$disconnect()` (Prisma), else `Symbol.asyncDispose`.
 * A client with neither is left alone.
 */
export async function closeClient(client: unknown): Promise<void> {
  if (typeof client !== 'object' && typeof client !== 'function') return
  const { $disconnect, [Symbol.asyncDispose]: dispose } = (client ?? {}) as {
    $disconnect?: () => unknown
    [Symbol.asyncDispose]?: () => unknown
  }
  if (typeof $disconnect === 'function') await $disconnect.call(client)
  else if (typeof dispose === 'function') await dispose.call(client)
}
