import { beforeAll, describe, expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'
import { atomicChecks, guardChecks, runGuardCheck } from '../support/repositories/guard-checks.js'
import { lockChecks } from '../support/repositories/lock-checks.js'
import { createTamperedClient, withoutGuards, withoutLocks } from '../support/repositories/tampered-client.js'
import { createWorld, type World } from '../support/repositories/world.js'

// A row lock and an atomic guard stand behind every write of the repositories, and each hides that the
// other one is missing: totals stay right. So each is proved alone, and each proof is proved here, by
// taking away what it is about and seeing it fail. In a transaction: of the operations as one statement, each
// clause is proved with them.

const database = useDatabase()

describe('with their row locks', () => {
  let world: World
  beforeAll(() => {
    world = createWorld(database, undefined, 'in a transaction')
  })
  for (const { title, check } of lockChecks) test(title, () => check(world))
})

describe('with the locking clause stripped from every statement', () => {
  let world: World
  beforeAll(() => {
    world = createWorld(database, createTamperedClient(database, { rewrite: withoutLocks }).prisma, 'in a transaction')
  })
  for (const { title, check } of lockChecks) {
    test(`no longer: ${title}`, async () => {
      await expect(check(world)).rejects.toThrow()
    })
  }
})

describe('without their row locks, but with their guards', () => {
  for (const check of [...guardChecks, ...atomicChecks]) test(check.title, () => runGuardCheck(database, check))
})

describe('without their row locks and their guards', () => {
  for (const check of guardChecks) {
    test(`no longer: ${check.title}`, async () => {
      await expect(runGuardCheck(database, check, withoutGuards)).rejects.toThrow()
    })
  }
})
