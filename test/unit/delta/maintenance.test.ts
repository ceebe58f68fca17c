import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { column, Workshop } from './workshop.ts'

const dayMs = 86_400_000

let workshop: Workshop
let table: DeltaTable
beforeEach(async () => {
  workshop = await Workshop.open()
  table = await DeltaTable.createOrEvolve(workshop.path('t'), {
    fields: [column('id', 'long'), column('p', 'string'), column('at', 'timestamp')],
    partitionColumns: ['p'],
  })
})
afterEach(() => workshop.close())

async function append(count: number): Promise<void> {
  const start = Number((await table.snapshot()).version)
  for (let version = start; version < start + count; version++) {
    const query = `SELECT ${version} * 100 + i AS id, [NULL, 'a/../b', 'ü'][i % 3 + 1] AS p,
      TIMESTAMP '2024-01-01' AS at
      FROM range(9) t(i) ORDER BY i DESC`
    await table.append(workshop.connection, query, { appId: 'a', version: BigInt(version) })
  }
}

describe('compaction', () => {
  test('makes one file of the small ones of each partition; rows and their order stay', async () => {
    await append(4)
    const inOrder = async () => {
      const { scanSql } = await import('../../../src/delta/index.ts')
      const sql = scanSql(await table.snapshot(), table.directory, { columns: ['p', 'id'] })
      const rows = (await workshop.connection.runAndReadAll(sql)).getRowObjectsJson()
      return Object.groupBy(rows, (row) => String(row.p))
    }
    const before = await inOrder()
    const result = await table.optimize(workshop.connection)
    expect(result).toMatchObject({ kind: 'compacted', filesRemoved: 12, filesAdded: 3 })
    expect(await inOrder()).toEqual(before)
    const snapshot = await table.snapshot()
    expect([snapshot.files.size, snapshot.numRecords]).toEqual([3, 36n])
    expect(await table.optimize(workshop.connection)).toEqual({ kind: 'nothing' })
  })

  test('leaves large files, other partitions and files beyond the target alone', async () => {
    await append(3)
    const size = Number([...(await table.snapshot()).files.values()][0]!.size)
    expect(await table.optimize(workshop.connection, { smallFileBytes: size / 2 })).toEqual({
      kind: 'nothing',
    })
    expect(await table.optimize(workshop.connection, { targetSizeBytes: size })).toEqual({ kind: 'nothing' })
    const one = await table.optimize(workshop.connection, { partitionFilter: (values) => values.p === 'ü' })
    expect(one).toMatchObject({ filesRemoved: 3, filesAdded: 1 })
  })

  test('an abort leaves the table as it was', async () => {
    await append(2)
    const signal = AbortSignal.abort(new Error('shutting down'))
    await expect(table.optimize(workshop.connection, { signal })).rejects.toThrow('shutting down')
    expect((await table.snapshot()).version).toBe(2n)
  })

  test('fills the columns that older files lack', async () => {
    await append(1)
    const evolved = await DeltaTable.createOrEvolve(table.directory, {
      fields: [...(await table.snapshot()).metadata.fields, column('n', 'integer')],
      partitionColumns: ['p'],
    })
    await evolved.append(workshop.connection, "SELECT 1 AS id, 'ü' AS p, 5 AS n", { appId: 'b', version: 1n })
    await evolved.optimize(workshop.connection)
    const rows = await workshop.rows(evolved, ['id', 'n'], { where: [{ column: 'p', min: 'ü', max: 'ü' }] })
    expect(rows.map((row) => row.n)).toEqual([5, null, null, null])
  })
})

describe('vacuum', () => {
  const dataFiles = async () =>
    (await readdir(table.directory, { recursive: true })).filter(
      (name) => name.endsWith('.parquet') && !name.includes('_log'),
    )

  test('deletes only what no version within the retention needs', async () => {
    await append(3)
    await table.stage(workshop.connection, "SELECT 1 AS id, 'ü' AS p") // A crash before the commit.
    await table.optimize(workshop.connection)
    await mkdir(join(table.directory, '_hidden'))
    await writeFile(join(table.directory, '_hidden', 'keep.parquet'), '')
    expect(await dataFiles()).toHaveLength(9 + 1 + 3 + 1)
    expect(await table.vacuum()).toEqual([])
    const later = { nowMs: Date.now() + 8 * dayMs }
    expect(await table.vacuum({ ...later, dryRun: true })).toHaveLength(10)
    expect(await dataFiles()).toHaveLength(14)
    expect(await table.vacuum(later)).toHaveLength(10)
    expect(await dataFiles()).toHaveLength(3 + 1)
    expect((await workshop.rows(table, ['id'])).length).toBe(27)
  })

  test('a file that was removed lately stays, however old it is', async () => {
    await append(2)
    for (const name of await dataFiles()) await utimes(join(table.directory, name), 1000, 1000)
    await table.optimize(workshop.connection)
    expect(await table.vacuum()).toEqual([])
    expect((await workshop.rows(table, ['id'], { version: 2n })).length).toBe(18)
  })

  test('a retention shorter than the table allows needs force', async () => {
    await expect(table.vacuum({ retentionMs: dayMs })).rejects.toMatchObject({
      code: 'DELTA_RETENTION_TOO_SHORT',
    })
    expect(await table.vacuum({ retentionMs: dayMs, force: true })).toEqual([])
  })

  test('half-written files of the log go, too', async () => {
    const leftover = join(table.directory, '_delta_log', '.x.tmp')
    await writeFile(leftover, '')
    await table.vacuum({ nowMs: Date.now() + 8 * dayMs })
    expect(await readdir(join(table.directory, '_delta_log'))).toEqual(['00000000000000000000.json'])
  })
})
