import { once } from 'node:events'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface HttpRequestOptions {
  readonly method?: string
  readonly path?: string
  /** The Host header, which `fetch` does not let anybody choose. */
  readonly host?: string
}

/** One request on a connection of its own. */
export async function httpRequest(url: string, { method = 'GET', path = '/', host }: HttpRequestOptions = {}): Promise<HttpAnswer> {
  const { hostname, port } = new URL(url)
  const sent = request({ host: hostname, port, method, path, agent: false, headers: host === undefined ? {} : { host } })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return { status: response.statusCode!, headers: response.headers, body: await text(response) }
}
