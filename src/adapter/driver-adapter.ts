import type { SqlDriverAdapterFactory } from '@prisma/client/runtime/client'

// The driver-adapter contract of Prisma 7, taken from the one type its client package exports.
export type { SqlDriverAdapterFactory }
export type SqlDriverAdapter = Awaited<ReturnType<SqlDriverAdapterFactory['connect']>>
export type Transaction = Awaited<ReturnType<SqlDriverAdapter['startTransaction']>>
export type SqlQuery = Parameters<SqlDriverAdapter['queryRaw']>[0]
export type SqlResultSet = Awaited<ReturnType<SqlDriverAdapter['queryRaw']>>
