import autocannon from 'autocannon'

export interface LoadRequest {
  readonly body: object
  readonly key?: string
}

/** How many answers there were of each status. */
export type Answers = Readonly<Record<string, number>>

/** Sends 500 POST requests, 100 at a time, and counts the answers: every request has got one. */
export async function load(url: string, requestOf: (index: number) => LoadRequest): Promise<Answers> {
  let index = 0
  const setupRequest = (request: autocannon.Request): autocannon.Request => {
    const { body, key } = requestOf(index++)
    const headers = { 'content-type': 'application/json', ...(key !== undefined && { 'idempotency-key': `"${key}"` }) }
    return { ...request, headers, body: JSON.stringify(body) }
  }
  const requests = [{ setupRequest }]
  const result = await autocannon({ url, method: 'POST', connections: 100, amount: 500, timeout: 60, requests })
  const { errors, timeouts, resets, statusCodeStats = {} } = result
  if (errors + timeouts + resets > 0) {
    throw new Error(`Of 500 requests there were ${errors} errors, ${timeouts} timeouts and ${resets} resets.`)
  }
  return Object.fromEntries(Object.entries(statusCodeStats).map(([status, { count = 0 }]) => [status, count]))
}
