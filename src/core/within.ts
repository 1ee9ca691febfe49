/** Settles as `work` does, or resolves with `'late'` after `timeout` milliseconds; leaves no timer. */
export async function within<T>(work: Promise<T>, timeout: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), timeout)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
