import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { PortUnavailableError, serveLocks, type ServeLocksOptions } from '../../../src/cli/locks-server.js'
import { runLocksServe } from '../../../src/cli/locks-serve.js'
import { InvalidOptionError } from '../../../src/core/errors.js'
import { findFreePort } from '../../../src/harness/free-port.js'
import { LOCK_PAGE_POLICY } from '../../../src/report/lock-tree-html.js'
import { httpRequest } from '../../support/http-request.js'
import { isReachable } from '../../support/is-reachable.js'
import { waitUntil } from '../../support/wait-until.js'
import { busy } from '../report/lock-trees.js'

let end: AbortController
let ended: Promise<void> | undefined

beforeEach(() => {
  end = new AbortController()
  ended = undefined
})
afterEach(async () => {
  end.abort()
  await ended
})

async function serve(options: Partial<ServeLocksOptions> = {}) {
  const page = await serveLocks({ read: async () => busy, signal: end.signal, ...options })
  ended = page.ended
  return { ...page, port: Number(new URL(page.url).port) }
}

describe('what is answered', () => {
  test('the page and its data, never from a cache', async () => {
    const { url } = await serve({ database: 'shop' })
    const page = await httpRequest(url)
    expect(page.status).toBe(200)
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(page.body).toContain('4 sessions wait')
    expect(page.body).toContain('shop')
    const data = await httpRequest(url, { path: '/tree.json' })
    expect(data.headers['content-type']).toBe('application/json; charset=utf-8')
    expect(JSON.parse(data.body)).toMatchObject({
      database: 'shop',
      tree: { roots: [{ pid: 4711 }, { pid: 4802 }] },
      history: [{ waiters: 4 }],
    })
    for (const { headers } of [page, data]) expect(headers['cache-control']).toBe('no-store')
  })

  test('every answer, a refusal too, has the headers that keep other pages out', async () => {
    const { url } = await serve()
    const answers = [{}, { path: '/tree.json' }, { path: '/nowhere' }, { method: 'POST' }, { host: 'evil.example' }]
    for (const { headers } of await Promise.all(answers.map((options) => httpRequest(url, options)))) {
      expect(headers).toMatchObject({
        'content-security-policy': LOCK_PAGE_POLICY,
        'x-frame-options': 'DENY',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
        'cross-origin-opener-policy': 'same-origin',
      })
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
    }
  })

  test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'])('%s is refused', async (method) => {
    const { url } = await serve()
    const { status, headers } = await httpRequest(url, { method })
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD'])
  })

  test('HEAD has the headers of GET, and no body', async () => {
    const { url } = await serve()
    const { status, headers, body } = await httpRequest(url, { method: 'HEAD', path: '/tree.json' })
    expect([status, body]).toEqual([200, ''])
    expect(Number(headers['content-length'])).toBeGreaterThan(100)
  })

  test.each(['/tree', '/tree.json/', '//', '/../package.json', '/constructor', '/__proto__', 'http://evil.example/'])(
    '%s is not there',
    async (path) => {
      const { url } = await serve()
      expect((await httpRequest(url, { path })).status).toBe(404)
    },
  )
})

describe('whom it answers', () => {
  test('a browser of this machine, by each of its names', async () => {
    const { url, port } = await serve()
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`]) {
      expect((await httpRequest(url, { host })).status, host).toBe(200)
    }
  })

  test('nobody who came by another name, or by another port, to any path', async () => {
    const { url, port } = await serve()
    const hosts = ['evil.example', `evil.example:${port}`, `127.0.0.1.evil.example:${port}`, `localhost.:${port}`, `0.0.0.0:${port}`]
    for (const host of [...hosts, 'localhost', '127.0.0.1', `127.0.0.1:${port + 1}`, `127.0.0.1:${port}@evil.example`]) {
      for (const path of ['/', '/tree.json']) {
        const { status, body } = await httpRequest(url, { host, path })
        expect(status, host).toBe(403)
        expect(body).not.toContain('4711')
      }
    }
  })

  test('nobody who names no host at all', async () => {
    const { port } = await serve()
    for (const head of ['GET / HTTP/1.0\r\n', 'GET / HTTP/1.0\r\nHost:\r\n', 'GET / HTTP/1.1\r\nConnection: close\r\n']) {
      const socket = connect(port, '127.0.0.1')
      socket.write(`${head}\r\n`)
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 40[03] /)
    }
  })

  test('no other address of this machine leads to it', async () => {
    const { port } = await serve()
    // Linux has all of 127.0.0.0/8: 127.0.0.2 reaches whoever listens on every address.
    const everywhere = await listening('0.0.0.0')
    expect(await isReachable('127.0.0.2', everywhere.port)).toBe(true)
    expect(await isReachable('127.0.0.1', port)).toBe(true)
    expect(await isReachable('127.0.0.2', port)).toBe(false)
    expect(await isReachable('::1', port)).toBe(false)
    everywhere.server.close()
  })
})

describe('the port', () => {
  test('is the one that was asked for', async () => {
    const port = await findFreePort()
    expect((await serve({ port })).url).toBe(`http://127.0.0.1:${port}/`)
  })

  test('that another program has is an error that says so, and nothing is read', async () => {
    const { server, port } = await listening('127.0.0.1')
    const read = vi.fn(async () => busy)
    const error = await serveLocks({ read, port }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(PortUnavailableError)
    expect(error).toMatchObject({ code: 'PORT_UNAVAILABLE', port, cause: { code: 'EADDRINUSE' } })
    expect((error as Error).message).toBe(
      `Port ${port} of 127.0.0.1 is taken by another program: name another one, or none for any that is free.`,
    )
    expect(read).not.toHaveBeenCalled()
    server.close()
  })

  test.each([
    ['options.port', { port: 65_536 }],
    ['options.port', { port: -1 }],
    ['options.port', { port: '80' }],
    ['options.read', { read: undefined }],
    ['options.signal', { signal: {} }],
    ['options.host', { host: '0.0.0.0' }],
  ])('and %s: what is no such option is refused', async (name, options) => {
    const error = await serveLocks({ read: async () => busy, ...options } as never).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect((error as Error).message).toContain(name)
  })
})

describe('the end', () => {
  test('closes open connections, frees the port and leaves no timer', async () => {
    const { url, port, ended } = await serve()
    await httpRequest(url)
    const open = connect(port, '127.0.0.1')
    await once(open, 'connect')
    open.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    await once(open, 'data')
    const closed = once(open, 'close')
    end.abort()
    await Promise.all([ended, closed])
    expect(await isReachable('127.0.0.1', port)).toBe(false)
    await waitUntil('nothing of the page is left', async () => {
      await new Promise(setImmediate)
      return resources().length === 0 || undefined
    })
  })

  test('does not wait for a reading that never ends, nor for who waits for it', async () => {
    const { url, ended } = await serve({ read: () => new Promise(() => undefined) })
    const waiting = httpRequest(url).catch((error: unknown) => error)
    await waitUntil('the page is asked', async () => {
      await new Promise(setImmediate)
      return resources().filter((name) => name === 'TCPSocketWrap').length >= 2 || undefined
    })
    end.abort()
    await ended
    expect(await waiting).toMatchObject({ code: 'ECONNRESET' })
  })

  test('before the start is the end: nothing listens', async () => {
    end.abort(new Error('too late'))
    const read = vi.fn(async () => busy)
    await expect(serveLocks({ read, signal: end.signal })).rejects.toThrow('too late')
    expect(read).not.toHaveBeenCalled()
  })

  test('while the port is asked for is the end, too', async () => {
    const starting = serveLocks({ read: async () => busy, signal: end.signal })
    end.abort()
    const { url, ended } = await starting
    await ended
    expect(await isReachable('127.0.0.1', Number(new URL(url).port))).toBe(false)
  })
})

test('a reader that fails is on the page, and a page that cannot be rendered is an answer', async () => {
  const { url } = await serve({ read: () => Promise.reject(new Error('the database <is> down')) })
  expect((await httpRequest(url)).body).toContain('the database &lt;is&gt; down')
  end.abort()
  end = new AbortController()
  const broken = await serve({ read: async () => ({ ...busy, readAt: new Date(Number.NaN) }) })
  const { status, body } = await httpRequest(broken.url)
  expect([status, body]).toEqual([500, 'The locks could not be shown: RangeError: Invalid time value\n'])
})

test('the command says where the page is and of which database, without its password, and returns when it has been ended', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
  const running = runLocksServe({
    url: 'postgresql://ada:s3cret@db.internal:6432/shop?schema=public',
    read: async () => busy,
    signal: end.signal,
  })
  const url = await waitUntil('the address is printed', async () => {
    await new Promise(setImmediate)
    return /http:\S+/.exec(log.mock.calls.join())?.[0]
  })
  const page = await httpRequest(url)
  expect(page.body).toContain('shop on db.internal:6432')
  for (const text of [log.mock.calls.join(), page.body, (await httpRequest(url, { path: '/tree.json' })).body]) {
    expect(text).not.toMatch(/s3cret|ada\b/)
  }
  expect(log.mock.calls.join()).toContain('The locks of shop on db.internal:6432 are on http://127.0.0.1:')
  end.abort()
  await running
  log.mockRestore()
})

/** What keeps this process alive; handles that are closed stay in it for a moment. */
const resources = (): string[] => process.getActiveResourcesInfo().filter((name) => /^(?:TCP|Timeout)/.test(name))

async function listening(address: string): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.destroy())
  server.listen(0, address)
  await once(server, 'listening')
  return { server, port: (server.address() as { port: number }).port }
}
