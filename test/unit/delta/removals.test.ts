// Rows that are taken out of a table: by us, so that nothing of them is left; by others, so that it is told.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DeltaTable, type DeltaTableDefinition } from '../../../src/delta/index.ts'
import { setStepHook } from '../../../src/steps/step.ts'
import { column, Workshop } from './workshop.ts'

const definition: DeltaTableDefinition = {
  fields: [column('id', 'long'), column('name', 'string'), column('p', 'string')],
  partitionColumns: ['p'],
  properties: { 'delta.checkpointInterval': '4' },
}

let workshop: Workshop
let table: DeltaTable
beforeEach(async () => {
  workshop = await Workshop.open()
  table = await DeltaTable.createOrEvolve(workshop.path('t [1]'), definition)
})
afterEach(async () => {
  setStepHook(null)
  await table.settled()
  await workshop.close()
})

async function append(version: number, names: readonly string[], p = 'x'): Promise<void> {
  const rows = names.map((name, index) => ({ id: BigInt(version * 100 + index), name, p }))
  await table.appendRows(rows, { appId: 'a', version: BigInt(version) })
}

async function names(): Promise<unknown[]> {
  return (await workshop.rows(table, ['id', 'name'])).map((row) => row.name)
}

/** What the directory of the table has, the log included, as one text. */
async function bytesOfTable(): Promise<string> {
  const entries = await readdir(table.directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return (await Promise.all(files.map((file) => readFile(file, 'latin1')))).join('\n')
}

/** A commit as another program writes it. */
async function foreignCommit(version: bigint, operation: string, removed: readonly string[]): Promise<void> {
  const actions = [
    { commitInfo: { timestamp: 1, operation, engineInfo: 'Apache-Spark/4.1.1 Delta-Lake/4.4.0' } },
    ...removed.map((path) => ({ remove: { path, deletionTimestamp: 1, dataChange: true } })),
  ]
  const name = `${String(version).padStart(20, '0')}.json`
  const text = actions.map((action) => JSON.stringify(action)).join('\n')
  await writeFile(join(table.directory, '_delta_log', name), `${text}\n`)
}

describe('deleting rows', () => {
  test('only the files with such rows are written anew, in order, and their statistics with them', async () => {
    await append(1, ['ann', 'bob', 'cid'])
    await append(2, ['dan', 'eve'])
    await append(3, ['bob'], 'y')
    const before = await table.snapshot()
    const result = await table.deleteRows(workshop.connection, "name = 'bob' AND id > 0", {
      operation: 'ERASE',
      userMetadata: 'on request',
      timestampMs: 5,
    })
    expect(result).toEqual({ kind: 'deleted', version: 4n, rowsDeleted: 2n, filesRemoved: 2, filesAdded: 1 })
    expect(await names()).toEqual(['ann', 'cid', 'dan', 'eve'])
    const after = await table.snapshot()
    expect([...after.files.keys()].filter((path) => before.files.has(path))).toHaveLength(1)
    expect(after.numRecords).toBe(4n)
    const commit = await table.commitAt(4n)
    expect(commit).toMatchObject({
      dataChange: true,
      commitInfo: { operation: 'ERASE', userMetadata: 'on request' },
    })
    expect(table.lastRemoval).toBeNull() // It is ours.
  })

  test('rows for which the condition is null stay, and without a row there is no commit', async () => {
    await append(1, ['ann'])
    await table.appendRows([{ id: 7n, p: 'x' }], { appId: 'a', version: 2n })
    expect(await table.deleteRows(workshop.connection, "name <> 'ann'")).toEqual({ kind: 'nothing' })
    expect(await table.deleteRows(workshop.connection, "name = 'ann'")).toMatchObject({ rowsDeleted: 1n })
    expect(await names()).toEqual([null])
  })

  test('statistics leave files out that the ranges exclude', async () => {
    await append(1, ['ann'])
    await append(2, ['ann'])
    const prune = [{ column: 'id', min: 200n, max: 299n }]
    expect(await table.deleteRows(workshop.connection, "name = 'ann'", { prune })).toMatchObject({
      rowsDeleted: 1n,
      filesRemoved: 1,
    })
  })

  test('a compaction that was faster is followed, and rows that are appended meanwhile stay', async () => {
    await append(1, ['ann', 'bob'])
    await append(2, ['bob'])
    const other = await DeltaTable.open(table.directory)
    let disturbed = false
    const connection = new Proxy(workshop.connection, {
      get(target, name) {
        const value = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return async (...args: unknown[]) => {
          const result = await value.apply(target, args)
          if (!disturbed && String(args[0]).startsWith('COPY')) {
            disturbed = true
            await other.optimize(target)
            await other.appendRows([{ id: 9n, name: 'bob', p: 'x' }], { appId: 'b', version: 1n })
          }
          return result
        }
      },
    })
    expect(await table.deleteRows(connection, "name = 'bob' AND id > 99")).toMatchObject({ rowsDeleted: 2n })
    expect(await names()).toEqual(['bob', 'ann'])
  })

  test('a compaction that a purge overtook is given up: its files were deleted', async () => {
    await append(1, ['ann'])
    await append(2, ['bob'])
    const other = await DeltaTable.open(table.directory)
    setStepHook(async (name) => {
      if (name === 'compaction written') await other.purgeLog()
    })
    expect(await table.optimize(workshop.connection)).toMatchObject({ kind: 'conflict' })
    setStepHook(null)
    expect(await names()).toEqual(['ann', 'bob'])
    expect(await table.optimize(workshop.connection)).toMatchObject({ kind: 'compacted' })
  })

  test('after a purge neither files nor log entries speak of the rows', async () => {
    for (const version of [1, 2, 3, 4, 5]) await append(version, ['ann', 'Zachary'])
    await append(6, ['Zachary'], 'y')
    await writeFile(
      join(table.directory, '_delta_log', '00000000000000000003.00000000000000000005.compacted.json'),
      'Zachary',
    )
    expect(await bytesOfTable()).toContain('Zachary')
    await table.deleteRows(workshop.connection, "name = 'Zachary'")
    expect(await bytesOfTable()).toContain('Zachary')
    expect(await table.purgeLog()).toMatchObject({ kind: 'committed' })
    expect(await bytesOfTable()).not.toContain('Zachary')
    const reader = await DeltaTable.open(table.directory)
    expect((await reader.snapshot()).numRecords).toBe(5n)
    await append(7, ['eve'])
    expect(await names()).toEqual(['ann', 'ann', 'ann', 'ann', 'ann', 'eve'])
  })
})

describe('rows that others remove', () => {
  test('a commit is refused onto a table that was restored since it was read', async () => {
    await append(1, ['ann'])
    await append(2, ['bob'])
    const [first] = (await table.snapshot()).files.keys()
    await foreignCommit(3n, 'DELETE', [first!])
    expect(await table.commit(null, { removalsKnown: 2n })).toMatchObject({ kind: 'committed', version: 4n })
    expect(table.lastRemoval).toEqual({ version: 3n, operation: 'DELETE' })
    expect(await table.commit(null, { removalsKnown: 2n, removalsRefused: 'any' })).toEqual({
      kind: 'changed',
      version: 3n,
      operation: 'DELETE',
    })
    await foreignCommit(5n, 'RESTORE', [...(await table.snapshot()).files.keys()])
    await foreignCommit(6n, 'DELETE', [])
    expect(await table.commit(null, { removalsKnown: 4n })).toEqual({
      kind: 'changed',
      version: 5n,
      operation: 'RESTORE',
    })
    expect(await table.commit(null, { removalsKnown: 5n })).toMatchObject({ kind: 'committed' })
  })
})
