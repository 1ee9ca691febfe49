import { CompanyNotFoundError, CountIsZeroError, CountTooLowError, LimitExceededError } from './errors.js'
import { readOptions, MAX_INT, parseCount, parseText } from './input-checks.js'
import { DECREMENT_COUNT, INCREMENT_COUNT, SET_COUNT } from './counter-statements.js'
import { runOneStatement, type StatementTemplate } from './one-statement.js'
import type { CompanyRow, RepositoryClient, RepositoryTransaction } from './repository-client.js'
import { runOperation } from './run-operation.js'

/** Which count to change, and by how much or to what. */
export interface CountInput {
  /** The company's name, 1 to 255 characters. */
  readonly company: string
  /** A whole number: from 0 for `setCount`, from 1 for the others. */
  readonly count: number
}

/** What a change of a count has led to. */
export interface CountResult {
  readonly company: string
  /** The count after the change. */
  readonly count: number
}

type Tx = RepositoryTransaction<'company'>

/**
 * Sets the count of a company. Locks the company (`forNoKeyUpdate`) until the change is committed: changes of
 * one count run one after another, those of other companies are not affected.
 *
 * @param db A client with `rowLocks()`: the change is one statement, past the client's query extensions, and where that
 *   has no row to change, a retried transaction that says why; or a transaction client: it joins that transaction.
 * @throws {CompanyNotFoundError} when there is no such company.
 * @throws {InvalidOptionError} for an argument that is not allowed; nothing was sent.
 * @throws What `$transactionWithRetry` throws.
 * @example
 * ```ts
 * const { count } = await setCount(prisma, { company: 'Acme', count: 10 })
 * ```
 */
export async function setCount(db: RepositoryClient<'company'>, input: CountInput): Promise<CountResult> {
  const { company: name, count } = parseInput(input, 0)
  return change(db, SET_COUNT, [name, count], async (tx) => {
    const { id } = await lockCompany(tx, name)
    const [company] = await tx.company.updateManyAndReturn({ where: { id }, data: { count } })
    if (!company) throw new CompanyNotFoundError(name)
    return company
  })
}

/**
 * Adds to the count of a company; of changes that run at once every one counts. Locks the company
 * (`forNoKeyUpdate`) until the change is committed, as {@link setCount} does.
 *
 * @param db A client with `rowLocks()`: the change is one statement, past the client's query extensions, and where that
 *   has no row to change, a retried transaction that says why; or a transaction client: it joins that transaction.
 * @throws {CompanyNotFoundError} when there is no such company.
 * @throws {LimitExceededError} when the count would be above 2147483647.
 * @throws {InvalidOptionError} for an argument that is not allowed; nothing was sent.
 * @throws What `$transactionWithRetry` throws.
 * @example
 * ```ts
 * const { count } = await incrementCount(prisma, { company: 'Acme', count: 1 })
 * ```
 */
export async function incrementCount(db: RepositoryClient<'company'>, input: CountInput): Promise<CountResult> {
  const { company: name, count } = parseInput(input, 1)
  return change(db, INCREMENT_COUNT, [name, count], async (tx) => {
    const { id } = await lockCompany(tx, name)
    // The guard: the database adds to what the row holds now, whatever was read before.
    const [company] = await tx.company.updateManyAndReturn({
      where: { id, count: { lte: MAX_INT - count } },
      data: { count: { increment: count } },
    })
    if (!company) throw new LimitExceededError('Company', { name }, MAX_INT)
    return company
  })
}

/**
 * Takes away from the count of a company, or refuses: a count is never negative, however many calls run
 * at once. Locks the company (`forNoKeyUpdate`) until the change is committed, as {@link setCount} does.
 *
 * @param db A client with `rowLocks()`: the change is one statement, past the client's query extensions, and where that
 *   has no row to change, a retried transaction that says why; or a transaction client: it joins that transaction.
 * @throws {CompanyNotFoundError} when there is no such company.
 * @throws {CountIsZeroError} when the count is zero.
 * @throws {CountTooLowError} when the count is above zero and less than what is to be taken away.
 * @throws {InvalidOptionError} for an argument that is not allowed; nothing was sent.
 * @throws What `$transactionWithRetry` throws.
 * @example
 * ```ts
 * const { count } = await decrementCount(prisma, { company: 'Acme', count: 1 })
 * ```
 */
export async function decrementCount(db: RepositoryClient<'company'>, input: CountInput): Promise<CountResult> {
  const { company: name, count } = parseInput(input, 1)
  return change(db, DECREMENT_COUNT, [name, count], async (tx) => {
    const locked = await lockCompany(tx, name)
    // The guard: the check and the change are one statement, right also for a row that nobody had locked.
    const [company] = await tx.company.updateManyAndReturn({
      where: { id: locked.id, count: { gte: count } },
      data: { count: { decrement: count } },
    })
    if (!company) throw locked.count === 0 ? new CountIsZeroError(name, count) : new CountTooLowError(name, locked.count, count)
    return company
  })
}

async function change(
  db: unknown,
  template: StatementTemplate,
  values: readonly [name: string, count: number],
  run: (tx: Tx) => Promise<CompanyRow>,
): Promise<CountResult> {
  const { name, count } = await runOperation(db, {
    row: ['Company', values[0]],
    run,
    runAtOnce: () => runOneStatement<CompanyRow>(db, template, values),
  })
  return { company: name, count }
}

async function lockCompany(tx: Tx, name: string): Promise<CompanyRow> {
  const company = await tx.company.findUnique({ where: { name }, lock: 'forNoKeyUpdate' })
  if (!company) throw new CompanyNotFoundError(name)
  return company
}

function parseInput(input: CountInput, min: number): CountInput {
  input = readOptions(input, ['company', 'count'], 'input')
  return { company: parseText(input.company, 'company'), count: parseCount(input.count, 'count', min) }
}
