/**
 * Mutual exclusion by key for what is not a row, one effect per key, and job queues.
 *
 * @module rowlock/lockers
 */

export { claim } from './jobs/claim.js'
export { complete } from './jobs/complete.js'
export { extend } from './jobs/extend.js'
export { fail } from './jobs/fail.js'
export type {
  ClaimedJob,
  ClaimOptions,
  CompleteOptions,
  ExtendOptions,
  FailOptions,
  JobColumns,
  JobModel,
  JobOf,
} from './jobs/job-types.js'
export type { HeldLock, Locker, LockerOptions } from './lockers/locker.js'
export { memoryLocker } from './lockers/memory-locker.js'
export { once, type OnceOptions } from './idempotency/once.js'
export { sweepOnce, type SweepOnceOptions } from './idempotency/sweep-once.js'
export type { OnceClient } from './idempotency/idempotency-client.js'
export { guardedWrite, type GuardedWriteOptions } from './lockers/guarded-write.js'
export { type HeldLease, type LeaseLocker, leaseLocker, type LeaseLockerOptions, type SweepLeasesOptions } from './lockers/lease-locker.js'
export { redisLocker, type RedisLocker, type RedisLockerOptions } from './lockers/redis-locker.js'
export type { IoRedisClient, NodeRedisClient, RedisClient } from './lockers/redis-client.js'
export { advisoryLocker, type AdvisoryLockerClient, type AdvisoryLockerOptions } from './lockers/advisory-locker.js'
export type { RawQueryClient } from './transaction/transaction-client.js'
export type { HoldLimitOptions } from './lockers/hold-limits.js'
export type { TransactionLock } from './lockers/hold-transaction.js'
export type { ClientOfPool, PgClient, PgPool, PgResult } from './lockers/pg-pool.js'
export type { AdvisoryLockScope } from './lockers/pool-session.js'
export { type HeldRow, type ModelOfClient, rowLocker, type RowLockerClient, type RowLockerOptions } from './lockers/row-locker.js'
