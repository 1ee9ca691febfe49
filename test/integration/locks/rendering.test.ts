import type { LockOption } from 'rowlock'
import { describe, expect, test } from 'vitest'
import { held } from '../../support/held.js'
import { lockedRows } from '../../support/locked-rows.js'
import { useZoo } from '../../support/zoo.js'

const zoo = useZoo()
const animals = '"wild life"."animal FROM, SELECT"'
const lockedAnimals = () => lockedRows(zoo.database.sql, animals, '"animal id"')
const lockedStays = () => lockedRows(zoo.database.sql, '"Stay"', 'cage')
const lockedKeepers = () => lockedRows(zoo.database.sql, '"Keeper"')

// The suite runs against both ways in which Prisma renders a SELECT.
describe.each(['queries', 'joins'] as const)('with relations read as %s', (strategy) => {
  // Both clients have the same models; their types differ by `relationLoadStrategy` only.
  const client = () => (strategy === 'queries' ? zoo.queries().prisma : (zoo.joins() as never as ReturnType<typeof zoo.queries>['prisma']))

  test('findUnique locks its row and no other, by a mapped name in another schema', async () => {
    const holder = await held(client(), (tx) => tx.animal.findUnique({ where: { tag: 'b' }, lock: 'forUpdate' }))
    expect(holder.result).toMatchObject({ id: 2, tag: 'b', name: 'Bee', motherId: 1, mood: ['calm'] })
    expect(await lockedAnimals()).toEqual([2])
    await holder.commit()
    expect(await lockedAnimals()).toEqual([])
  })

  test('findUniqueOrThrow, findFirst and findFirstOrThrow lock what they return', async () => {
    for (const operation of ['findUniqueOrThrow', 'findFirst', 'findFirstOrThrow'] as const) {
      const holder = await held(client(), (tx) =>
        (tx.animal[operation] as typeof tx.animal.findUniqueOrThrow)({ where: { id: 3 }, lock: 'forUpdate' }),
      )
      expect(holder.result).toMatchObject({ name: 'Cat' })
      expect(await lockedAnimals()).toEqual([3])
      await holder.rollback()
    }
  })

  test('the OrThrow finds throw P2025 for a row that is not there', async () => {
    await expect(
      client().$transaction((tx) => tx.animal.findUniqueOrThrow({ where: { id: 99 }, lock: 'forUpdate' })),
    ).rejects.toMatchObject({ code: 'P2025' })
    await expect(client().$transaction((tx) => tx.animal.findFirstOrThrow({ where: { id: 99 }, lock: 'forUpdate' }))).rejects.toMatchObject(
      { code: 'P2025' },
    )
    expect(await client().$transaction((tx) => tx.animal.findUnique({ where: { id: 99 }, lock: 'forUpdate' }))).toBeNull()
  })

  test('a compound key, and a compound key with a name of its own, find and lock their row', async () => {
    const byId = await held(client(), (tx) => tx.stay.findUnique({ where: { animalId_cage: { animalId: 1, cage: 2 } }, lock: 'forUpdate' }))
    expect(byId.result).toEqual({ animalId: 1, cage: 2, nights: 1 })
    expect(await lockedStays()).toEqual([2])
    await byId.commit()
    const byName = await held(client(), (tx) =>
      tx.stay.findUnique({ where: { occupancy: { cage: 1, nights: 2 }, animalId: { gt: 1 } }, lock: 'forUpdate' }),
    )
    expect(byName.result).toEqual({ animalId: 2, cage: 1, nights: 2 })
    await byName.commit()
  })

  test('include locks the root row and reads its relations', async () => {
    const holder = await held(client(), (tx) =>
      tx.animal.findUnique({
        where: { id: 2 },
        include: { mother: true, children: true, keeper: true, stays: { orderBy: { cage: 'asc' } } },
        lock: 'forUpdate',
      }),
    )
    expect(holder.result).toMatchObject({ mother: { name: 'Ant' }, children: [], keeper: { name: 'Ada' }, stays: [{ cage: 1 }] })
    expect([await lockedAnimals(), await lockedKeepers(), await lockedStays()]).toEqual([[2], [], []])
    await holder.commit()
  })

  test('select, omit and _count return what they do without a lock', async () => {
    const finds = [
      { where: { id: 1 }, select: { name: true, _count: { select: { children: true, stays: { where: { cage: 2 } } } } } },
      { where: { id: 1 }, omit: { photo: true, born: true } },
      { where: { id: 1 }, select: { _count: true } },
      { where: { id: 1 }, include: { _count: true, children: { select: { tag: true }, orderBy: { id: 'asc' }, take: 1 } } },
    ] as const
    for (const find of finds) {
      const [plain, locked] = await client().$transaction(async (tx) => [
        await tx.animal.findUnique(find),
        await tx.animal.findUnique({ ...find, lock: 'forUpdate' }),
      ])
      expect(locked).toEqual(plain)
    }
  })

  test.each([
    ['relation filters', { where: { mother: { is: { name: 'Ant' } }, stays: { some: { cage: 1 } } } }, [2]],
    ['a self-relation filter', { where: { children: { some: {} } } }, [1]],
    [
      'order by a relation',
      { where: { keeperId: { not: null } }, orderBy: [{ keeper: { name: 'desc' } }, { id: 'asc' }], take: 2 },
      [1, 3],
    ],
    ['order by a count', { orderBy: [{ stays: { _count: 'desc' } }, { id: 'asc' }], take: 1 }, [1]],
    ['a negative take', { orderBy: { id: 'asc' }, take: -2 }, [3, 4]],
    ['a cursor', { orderBy: { id: 'asc' }, cursor: { id: 2 }, take: 2 }, [2, 3]],
    ['a cursor read backwards', { cursor: { id: 3 }, take: -2 }, [2, 3]],
    ['a cursor under a nullable order', { cursor: { id: 2 }, orderBy: { name: 'asc' }, take: 2 }, [2, 3]],
    ['a cursor under two orders', { cursor: { id: 2 }, orderBy: [{ keeperId: 'asc' }, { id: 'asc' }], skip: 1, take: 2 }, [3, 4]],
    ['a cursor under an order, backwards', { cursor: { id: 3 }, orderBy: [{ name: 'asc' }], take: -2 }, [2, 3]],
    ['a cursor by another unique field', { cursor: { tag: 'c' }, orderBy: { tag: 'desc' }, take: 2 }, [2, 3]],
    ['an empty list', { where: { id: { in: [] } } }, []],
    ['take 0', { take: 0 }, []],
    [
      'scalar filters of every type',
      {
        where: {
          weight: 0,
          genome: 0n,
          diet: 'MEAT',
          photo: null,
          traits: { equals: {} },
          mood: { isEmpty: true },
          born: { lte: new Date(Date.now() + 3_600_000) },
        },
      },
      [1, 3, 4],
    ],
  ] as const)('findMany with %s locks exactly the rows it returns', async (_, find, expected) => {
    const args = find as { orderBy?: { id: 'asc' } }
    const plain = await client().animal.findMany(args)
    const holder = await held(client(), (tx) => tx.animal.findMany({ ...args, lock: 'forUpdate' }))
    expect(holder.result).toEqual(plain)
    expect(holder.result.map(({ id }) => id).sort()).toEqual(expected)
    expect(await lockedAnimals()).toEqual(expected)
    await holder.commit()
  })

  // PostgreSQL manual, SELECT: "rows skipped over by OFFSET will get locked".
  test.each([
    ['skip and take', { orderBy: { id: 'asc' }, skip: 1, take: 2 }, [2, 3], [1, 2, 3]],
    ['skip alone', { orderBy: { id: 'asc' }, skip: 2 }, [3, 4], [1, 2, 3, 4]],
    ['a cursor that is skipped', { cursor: { id: 2 }, skip: 1, take: 1 }, [3], [2, 3]],
  ] as const)('findMany with %s locks the skipped rows too, as PostgreSQL does', async (_, find, returned, locked) => {
    const args = find as { orderBy?: { id: 'asc' } }
    const holder = await held(client(), (tx) => tx.animal.findMany({ ...args, lock: 'forUpdate' }))
    expect(holder.result.map(({ id }) => id)).toEqual(returned)
    expect(await lockedAnimals()).toEqual(locked)
    await holder.commit()
  })

  test('a compound cursor locks its page', async () => {
    const args = {
      cursor: { animalId_cage: { animalId: 1, cage: 2 } },
      orderBy: [{ animalId: 'asc' as const }, { cage: 'asc' as const }],
      take: 2,
    }
    const holder = await held(client(), (tx) => tx.stay.findMany({ ...args, lock: 'forUpdate' }))
    expect(holder.result).toEqual(await client().stay.findMany(args))
    expect(holder.result).toHaveLength(2)
    await holder.commit()
  })

  test('every scalar type comes back from a locked row as from an unlocked one, also under a timeout', async () => {
    const data = {
      tag: `all ${strategy}`,
      name: 'ü "quoted" \'text\' $1 ? OFFSET $2',
      diet: 'PLANTS' as const,
      weight: '12345678.1234',
      genome: 2n ** 62n,
      photo: new Uint8Array([0, 255, 10]),
      traits: { legs: [6, { deep: null }], text: 'FROM (SELECT' },
      born: new Date('2026-02-28T23:59:59.999Z'),
      mood: ['a,b', '"c"'],
    }
    const { id } = await client().animal.create({ data })
    const plain = await client().animal.findUnique({ where: { id } })
    for (const lock of ['forShare', { strength: 'forUpdate', timeout: 1_000 }] satisfies LockOption[]) {
      const locked = await client().$transaction((tx) => tx.animal.findUnique({ where: { id }, lock }))
      expect(locked).toEqual(plain)
      expect(locked!.weight.equals('12345678.1234')).toBe(true)
    }
    await client().animal.delete({ where: { id } })
  })

  test('the fluent API reads a relation of a locked row', async () => {
    const holder = await held(client(), (tx) => tx.animal.findUnique({ where: { id: 3 }, lock: 'forUpdate' }).keeper())
    expect(holder.result).toMatchObject({ name: 'Bo' })
    expect(await lockedAnimals()).toEqual([3])
    await holder.commit()
  })

  test('a $transaction([…]) locks what its queries ask for', async () => {
    const prisma = client()
    const blocker = await held(prisma, (tx) => tx.animal.findUnique({ where: { id: 1 }, lock: 'forUpdate' }))
    const lock = { strength: 'forUpdate', nowait: true } as const
    await expect(
      prisma.$transaction([prisma.animal.findUnique({ where: { id: 2 }, lock }), prisma.animal.findUnique({ where: { id: 1 }, lock })]),
    ).rejects.toMatchObject({
      code: 'LOCK_NOT_AVAILABLE',
      key: { id: 1 },
    })
    const [two, one, count] = await prisma.$transaction([
      prisma.animal.findUnique({ where: { id: 2 }, lock }),
      prisma.animal.findUnique({ where: { id: 1 } }),
      prisma.animal.count(),
    ])
    expect([two?.id, one?.id, count]).toEqual([2, 1, 4])
    await blocker.commit()
  })

  test('a nested transaction takes locks, and a savepoint rolled back releases them', async () => {
    const holder = await held(client(), async (tx) => {
      await tx.$transaction((inner) => inner.animal.findUnique({ where: { id: 1 }, lock: 'forUpdate' }))
      await tx
        .$transaction(async (inner) => {
          await inner.animal.findUnique({ where: { id: 2 }, lock: 'forUpdate' })
          throw new Error('undo')
        })
        .catch(() => undefined)
    })
    expect(await lockedAnimals()).toEqual([1])
    await holder.commit()
  })
})
