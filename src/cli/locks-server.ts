import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { RowLockError } from '../core/errors.js'
import { assertFunction, assertSignal, readOptions, requireNumber } from '../core/option-checks.js'
import type { LockTree } from '../monitor/lock-tree-types.js'
import { LOCK_PAGE_POLICY, renderLockPage } from '../report/lock-tree-html.js'
import { lockViewToJson } from '../report/lock-tree-to-json.js'
import type { LockView } from '../report/lock-view.js'
import { LockSampler } from './lock-sampler.js'

const ADDRESS = '127.0.0.1'
const METHODS = ['GET', 'HEAD']

export interface ServeLocksOptions {
  /** Reads the locks; called once a second at most, however many look at the page, and never before it has answered. */
  readonly read: () => Promise<LockTree>
  /** From 0 to 65535. Default: 0, any that is free. */
  readonly port?: number | undefined
  /** Ends the page. */
  readonly signal?: AbortSignal | undefined
  /** What a person calls the database, for the top of the page. */
  readonly database?: string | undefined
}

/** A page that is there until its signal is aborted. */
export interface LockPage {
  readonly url: string
  /** Resolves once the port is free again and every connection is closed. */
  readonly ended: Promise<void>
}

/** The port of the page cannot be had. */
export class PortUnavailableError extends RowLockError {
  readonly code = 'PORT_UNAVAILABLE'
  readonly retryable = false
  readonly port: number

  constructor(port: number, why: string, cause: unknown) {
    super(`Port ${port} of ${ADDRESS} ${why}: name another one, or none for any that is free.`, { cause })
    this.port = port
  }
}

/**
 * Shows who waits for whom on a page of this machine: bound to 127.0.0.1, for reading alone, and for nobody who came
 * by another name.
 *
 * @throws {InvalidOptionError} when an option is none.
 * @throws {PortUnavailableError} when another program has the port, or this user may not have it.
 */
export async function serveLocks(options: ServeLocksOptions): Promise<LockPage> {
  const { read, port, signal, database } = readOptions(options, ['read', 'port', 'signal', 'database'], 'options')
  assertFunction(read, 'options.read')
  assertSignal(signal, 'options.signal')
  const wanted = requireNumber(port ?? 0, 'options.port', { min: 0, max: 65_535 })
  signal?.throwIfAborted()

  const server = createServer()
  const actual = await listen(server, wanted)
  const sampler = new LockSampler(read)
  const view = async () => ({ ...(await sampler.view()), ...(database !== undefined && { database }) })
  const names = namesOf(actual)
  server.on('request', (request, response) => void answer(request, response, names, view))
  const end = () => {
    sampler.stop()
    server.close()
    server.closeAllConnections()
  }
  const ended = once(server, 'close').then(() => signal?.removeEventListener('abort', end))
  signal?.addEventListener('abort', end)
  // It may have been aborted while the port was asked for.
  if (signal?.aborted) end()
  return { url: `http://${ADDRESS}:${actual}/`, ended }
}

async function listen(server: Server, port: number): Promise<number> {
  try {
    server.listen(port, ADDRESS)
    await once(server, 'listening')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') throw new PortUnavailableError(port, 'is taken by another program', error)
    if (code === 'EACCES') throw new PortUnavailableError(port, 'is not for this user to take', error)
    throw error
  }
  return (server.address() as AddressInfo).port
}

/**
 * As a browser on this machine calls the page. Any other name that leads here is one that somebody else's page has had
 * its domain point at 127.0.0.1 for, to read this one in its place (DNS rebinding).
 */
function namesOf(port: number): ReadonlySet<string> {
  const hosts = [ADDRESS, 'localhost', '[::1]']
  // A browser leaves out the port that it takes anyway.
  return new Set(hosts.flatMap((host) => (port === 80 ? [host, `${host}:80`] : [`${host}:${port}`])))
}

const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': LOCK_PAGE_POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
}

const ROUTES: Readonly<Record<string, { readonly type: string; render(view: LockView): string }>> = {
  '/': { type: 'text/html', render: renderLockPage },
  '/tree.json': { type: 'application/json', render: lockViewToJson },
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  names: ReadonlySet<string>,
  view: () => Promise<LockView>,
): Promise<void> {
  const send = (status: number, body: string, type = 'text/plain') => {
    response.writeHead(status, { ...HEADERS, 'Content-Type': `${type}; charset=utf-8`, 'Content-Length': Buffer.byteLength(body) })
    response.end(body)
  }
  if (!names.has(request.headers.host?.toLowerCase() ?? '')) {
    return send(403, `This page answers to ${[...names].join(', ')} alone. A tunnel to it needs the same port at both ends.\n`)
  }
  if (!METHODS.includes(request.method ?? '')) {
    response.setHeader('Allow', METHODS.join(', '))
    return send(405, 'This page is for reading alone.\n')
  }
  const path = request.url?.split('?')[0] ?? ''
  if (!Object.hasOwn(ROUTES, path)) return send(404, 'There are / and /tree.json.\n')
  const { type, render } = ROUTES[path]!
  try {
    send(200, render(await view()), type)
  } catch (error) {
    send(500, `The locks could not be shown: ${String(error)}\n`)
  }
}
