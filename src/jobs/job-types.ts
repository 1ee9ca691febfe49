import type { PrismaModel, ResultOfModel } from '../extension/extension-types.js'

/** A model of a client with `rowLocks()`, such as `prisma.job`, or `tx.job` of an open transaction. */
export type JobModel = PrismaModel & { readonly withLock: unknown }

type FindArgs<T extends PrismaModel> = T[symbol]['types']['operations']['findMany']['args']
type Scalars<T extends PrismaModel> = T[symbol]['types']['payload']['scalars']
type FieldOf<T extends PrismaModel, Value> = { [K in keyof Scalars<T>]: Scalars<T>[K] extends Value ? K : never }[keyof Scalars<T>]

/** A job as `claim` returns it: a full row, with what the client's extensions add to it. */
export type JobOf<T extends JobModel> = Awaited<ResultOfModel<T, {}, 'findMany', never>>[number]

/** What names a claimed job: the fields of its key, and its `attempt`. A claimed row has them, and any others. */
export type ClaimedJob<T extends JobModel> = { readonly [K in keyof Scalars<T>]?: Scalars<T>[K] }

/**
 * Which fields of the model have which part in the queue, by their names in Prisma. Default: the field
 * that is named like the part. An optional part is left out by `null`, or when the model has no such field.
 */
export interface JobColumns<T extends JobModel = JobModel> {
  /** `Int`, required: how often the job was claimed. 0 in a new job. */
  readonly attempt?: FieldOf<T, number> | undefined
  /** `DateTime?`, required: until when the job belongs to the worker that claimed it. Null in a new job. */
  readonly leaseExpiresAt?: FieldOf<T, Date | null> | undefined
  /** `DateTime?`, required: when it was completed. Null until then. */
  readonly completedAt?: FieldOf<T, Date | null> | undefined
  /** `DateTime` or `DateTime?`: not claimed before this. */
  readonly runAt?: FieldOf<T, Date | null> | null | undefined
  /** `DateTime?`: when it failed for good. */
  readonly failedAt?: FieldOf<T, Date | null> | null | undefined
  /** `String` or `String?`: why it last failed. */
  readonly error?: FieldOf<T, string | null> | null | undefined
}

/** Options of {@link claim}. */
export interface ClaimOptions<T extends JobModel> {
  /** Which jobs, as of `findMany`, beside what makes a job claimable. Default: any. */
  readonly where?: FindArgs<T>['where']
  /** Which ones first, as of `findMany`. Default: in the order of the primary key. */
  readonly orderBy?: FindArgs<T>['orderBy']
  /** The most jobs to claim, 1 to 1,000. Default: 1. */
  readonly take?: number
  /**
   * How long the jobs belong to the caller, in milliseconds by the server's clock, from 1. Longer than a job
   * takes, or to be extended while it runs.
   */
  readonly lease: number
  /** Which fields of the model have which part. Default: by their names. */
  readonly columns?: JobColumns<T>
}

/** Options of {@link complete}. */
export interface CompleteOptions<T extends JobModel> {
  /** Which fields of the model have which part. Default: by their names. */
  readonly columns?: JobColumns<T>
}

/** Options of {@link fail}. */
export interface FailOptions<T extends JobModel> {
  /** What was thrown. Kept as text where the model has an `error` field. */
  readonly error: unknown
  /**
   * Claimable again after this many milliseconds, from 0, by the server's clock. Default: never; the job
   * has failed for good.
   */
  readonly retryIn?: number
  /** Which fields of the model have which part. Default: by their names. */
  readonly columns?: JobColumns<T>
}

/** Options of {@link extend}. */
export interface ExtendOptions<T extends JobModel> {
  /** How long the job belongs to the caller from now on, in milliseconds by the server's clock, from 1. */
  readonly lease: number
  /** Which fields of the model have which part. Default: by their names. */
  readonly columns?: JobColumns<T>
}
