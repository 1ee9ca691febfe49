import type { Round } from '../callers.js'

/** What a contestant is, for the goals that speak of a kind. */
export type Kind = 'workaround' | 'orm' | 'query builder' | 'driver' | 'one statement' | 'rowlock' | 'limit'

export interface Server {
  readonly url: string
  /** Connections at most. */
  readonly pool: number
}

export interface Load {
  readonly name: 'hot' | 'uniform' | 'serial'
  readonly callers: number
  /** Users 1 to this have a wallet that is withdrawn from. */
  readonly wallets: number
  /** Added to every round trip, in milliseconds. */
  readonly network: number
}

/** Takes 1 out of a user's wallet and writes the ledger entry, as one transaction; throws where the balance is too low. */
export type Withdraw = (userId: number) => Promise<unknown>

interface Closable {
  close(): Promise<unknown>
}

/** Called by this process, or a program that makes its calls itself, for so many milliseconds. */
export type Opened = Closable & ({ readonly withdraw: Withdraw } | { readonly round: (load: Load, time: number) => Promise<Round> })

export interface Contestant {
  readonly name: string
  readonly kind: Kind
  open(server: Server): Opened | Promise<Opened>
}

export const BALANCE = 10_000_000
/** Milliseconds that a caller may wait, for a connection and for the lock: long enough to fail nobody. */
export const PATIENCE = 60_000

/** Neighbours in time are none in the table. */
export const pickUser = (index: number, wallets: number) => 1 + ((index * 7_919) % wallets)

/** What each of them computes between its lock and its update. */
export function balanceAfter(wallet: { readonly balance: unknown } | null | undefined): string {
  const balance = Number(wallet?.balance) - 1
  if (!(balance >= 0)) throw new Error('The balance is too low.')
  return balance.toFixed(2)
}

/** The statements of those who write SQL; $1 and $2 in the order of the arguments. */
export const SQL = {
  lock: 'SELECT "id", "balance" FROM "Wallet" WHERE "userId" = $1 FOR UPDATE',
  update: 'UPDATE "Wallet" SET "balance" = $2 WHERE "id" = $1',
  insert: `INSERT INTO "WalletEntry" ("walletId", "kind", "amount", "balance") VALUES ($1, 'WITHDRAWAL', -1, $2)`,
  /** All of it at once. The guard is the lock: the UPDATE waits for the row, and decides on what it finds then. */
  all: `WITH "wallet" AS (
    UPDATE "Wallet" SET "balance" = "balance" - 1 WHERE "userId" = $1 AND "balance" >= 1 RETURNING "id", "balance"
  ) INSERT INTO "WalletEntry" ("walletId", "kind", "amount", "balance")
  SELECT "id", 'WITHDRAWAL', -1, "balance" FROM "wallet" RETURNING "balance"`,
} as const

export function assertWithdrawn(rows: readonly unknown[]): void {
  if (rows.length !== 1) throw new Error('The balance is too low.')
}
