import type { Operations } from '../../../examples/http/operations.js'
import { startService } from '../../../examples/http/service.js'
import { createClient, type TestClient } from '../client.js'
import type { TestDatabase } from '../database.js'

/** The service of examples/http on a test's database. */
export interface TestService extends AsyncDisposable {
  readonly url: string
  /** What it has told nobody but its log. */
  readonly failures: unknown[]
  post(path: string, body: unknown, key?: string): Promise<Response>
  get(path: string): Promise<Response>
  stop(): Promise<void>
}

export interface TestServiceOptions {
  /** Default: one of its own. */
  readonly prisma?: TestClient
  readonly operations?: Operations
  readonly grace?: number
}

export async function startTestService(database: TestDatabase, options: TestServiceOptions = {}): Promise<TestService> {
  const failures: unknown[] = []
  const { prisma = createClient(database).prisma, ...rest } = options
  const { url, stop } = await startService({ prisma, ...rest, onFailure: (_, error) => void failures.push(error) })
  return {
    url,
    failures,
    post: (path, body, key) => fetch(url + path, toPost(body, key)),
    get: (path) => fetch(url + path),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function toPost(body: unknown, key: string | undefined): RequestInit {
  const headers = { 'Content-Type': 'application/json', ...(key !== undefined && { 'Idempotency-Key': `"${key}"` }) }
  return { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) }
}
