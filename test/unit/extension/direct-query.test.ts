import { directQuery, InvalidOptionError } from 'rowlock'
import { expect, test } from 'vitest'

test('an array of more dimensions than PostgreSQL has is refused, and so is one that holds itself', async () => {
  const endless: unknown[] = []
  endless.push(endless)
  let deep: unknown[] = [1]
  for (let dimension = 1; dimension < 7; dimension++) deep = [deep]
  for (const value of [endless, deep]) {
    const call = directQuery({}, { text: 'SELECT $1', values: [value] })
    await expect(call).rejects.toThrow(InvalidOptionError)
    await expect(call).rejects.toThrow('at most 6 dimensions')
  }
})
