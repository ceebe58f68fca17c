// Files of rows in memory beside those that DuckDB writes for the same rows.
import { type FileHandle, open, readdir, rm } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Rows } from '../../../src/columns/column.ts'
import { fileSystem, setDisk } from '../../../src/delta/disk.ts'
import { DeltaTable, deltaField, deltaType, prunedFiles, scanSql } from '../../../src/delta/index.ts'
import { rowGroupRowsMax, SharedLeaves } from '../../../src/parquet/file.ts'
import { setStepHook } from '../../../src/steps/step.ts'
import { columnOf, rowsOf, type StoredType, storedTypes, valuesOf } from '../parquet/rows.ts'
import { column, Workshop } from './workshop.ts'

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000_000)

let workshop: Workshop
beforeEach(async () => {
  workshop = await Workshop.open()
})
afterEach(() => workshop.close())

let tableCount = 0
async function newTable(
  types: Readonly<Record<string, StoredType>>,
  by: readonly string[],
): Promise<DeltaTable> {
  return DeltaTable.createOrEvolve(workshop.path(`t${++tableCount}`), {
    fields: Object.entries(types).map(([name, type]) => deltaField(name, deltaType(type))),
    partitionColumns: by,
  })
}

/** By partition: its directory, rows and statistics. */
function described(
  table: DeltaTable,
  adds: readonly { path: string; statsJson: string | null; partitionValues: object }[],
) {
  const files = adds.map(({ path, statsJson, partitionValues }) => {
    return {
      directory: dirname(relative(table.directory, `${table.directory}/${path}`)),
      stats: JSON.parse(statsJson!),
      partitionValues,
    }
  })
  return files.toSorted((a, b) => (a.directory < b.directory ? -1 : 1))
}

const rowCount = 24
const everyColumn = fc.record(Object.fromEntries(storedTypes.map((type) => [type, valuesOf(type, rowCount)])))
/** A name may have none of the characters of types. */
const nameOf = (type: StoredType) => type.replace(/\W+/g, '_')
const everyType = Object.fromEntries(storedTypes.map((type) => [nameOf(type), type]))
const typesOfPartitions = storedTypes.filter((type) => !['binary', 'array<string>', 'headers'].includes(type))

test('partitions, directories and statistics are those that DuckDB writes for the same rows', async () => {
  const by = fc.uniqueArray(fc.constantFrom(...typesOfPartitions), { maxLength: 2 })
  await fc.assert(
    fc.asyncProperty(everyColumn, by, async (values, partitionColumns) => {
      // Directories have short names, and -0 and 0 are one partition here.
      const columns = Object.fromEntries(
        storedTypes.map((type) => {
          const short = values[type]!.map((value) => {
            if (!partitionColumns.includes(type)) return value
            return typeof value === 'string' ? value.slice(0, 12).toWellFormed() : value === 0 ? 0 : value
          })
          return [nameOf(type), columnOf(type, short)]
        }),
      )
      const rows = rowsOf(columns)
      const ours = await newTable(everyType, partitionColumns.map(nameOf))
      const staged = await ours.stageRows(rows)
      expect(staged.rowCount).toBe(BigInt(rowCount))
      await ours.commit(staged, { appId: 'a', version: 1n })
      const read = scanSql(await ours.snapshot(), ours.directory)
      const theirs = await newTable(everyType, partitionColumns.map(nameOf))
      const theirStaged = await theirs.stage(workshop.connection, read)
      expect(described(ours, staged.adds)).toEqual(described(theirs, theirStaged.adds))
    }),
    { seed, numRuns: 40, endOnFailure: true },
  )
}, 120_000)

function ids(count: number, more: Readonly<Record<string, readonly unknown[]>> = {}): Rows {
  const types: Readonly<Record<string, StoredType>> = { day: 'date', text: 'string' }
  const columns = Object.entries(more).map(([name, values]) => [name, columnOf(types[name]!, values)])
  const values = Array.from({ length: count }, (_, id) => id)
  return rowsOf({ id: columnOf('long', values), ...Object.fromEntries(columns) })
}

test('a column that two tables share is the same in both, under either name', async () => {
  await fc.assert(
    fc.asyncProperty(everyColumn, async (values) => {
      const columns = Object.fromEntries(
        storedTypes.map((type) => [nameOf(type), columnOf(type, values[type]!)]),
      )
      const others = Object.fromEntries(Object.entries(columns).map(([name, one]) => [`other_${name}`, one]))
      const otherTypes = Object.fromEntries(storedTypes.map((type) => [`other_${nameOf(type)}`, type]))
      const shared = new SharedLeaves()
      const read: unknown[] = []
      for (const [types, given] of [
        [everyType, columns],
        [otherTypes, others],
      ] as const) {
        const table = await newTable(types, [])
        await table.commit(await table.stageRows(rowsOf(given), shared), { appId: 'a', version: 1n })
        const scan = scanSql(await table.snapshot(), table.directory)
        const reader = await workshop.connection.runAndReadAll(scan)
        const [file] = (await table.snapshot()).files.values()
        read.push([reader.getRowsJson(), file!.statsJson!.replaceAll('other_', '')])
      }
      expect(read[1]).toEqual(read[0])
    }),
    { seed, numRuns: 10, endOnFailure: true },
  )
})

test('rows of many partitions in any order go to their files in the order in which they came', async () => {
  const table = await newTable({ id: 'long', day: 'date', text: 'string' }, ['day', 'text'])
  const days = Array.from({ length: 600 }, (_, row) => (row % 7 === 0 ? null : (row * 5) % 40))
  const texts = days.map((_, row) => ['a', '', null, "'(*)!"][row % 4]!)
  const staged = await table.stageRows(ids(600, { day: days, text: texts }))
  await table.commit(staged, { appId: 'a', version: 1n })
  const scan = scanSql(await table.snapshot(), table.directory, { fileNames: true })
  const reader = await workshop.connection.runAndReadAll(
    `SELECT id, (day - DATE '1970-01-01') AS day, text, list(id) OVER (PARTITION BY filename) = list(id) OVER
      (PARTITION BY filename ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS ordered
    FROM (${scan}) ORDER BY id`,
  )
  expect(reader.getRowsJson()).toEqual(
    days.map((day, row) => [String(row), day === null ? null : String(day), texts[row] || null, true]),
  )
  expect(new Set(staged.adds.map(({ partitionValues }) => JSON.stringify(partitionValues))).size).toBe(
    staged.adds.length,
  )
})

test('a column that the rows lack is null, one that the table lacks is refused, and so is another type', async () => {
  const table = await newTable({ id: 'long', day: 'date', text: 'string' }, ['day'])
  await table.commit(await table.stageRows(ids(3)), { appId: 'a', version: 1n })
  expect(await workshop.rows(table, ['id', 'day', 'text'])).toEqual(
    [0, 1, 2].map((id) => ({ id: String(id), day: null, text: null })),
  )
  const [file] = (await table.snapshot()).files.values()
  expect(file!.stats!.nullCount).toEqual({ id: 0, text: 3 })
  const mismatch = (message: string) => ({
    code: 'DELTA_SCHEMA_MISMATCH',
    message: expect.stringContaining(message),
  })
  await expect(
    table.stageRows(rowsOf({ id: columnOf('long', [1]), other: columnOf('int', [1]) })),
  ).rejects.toMatchObject(mismatch('a column other (int) that the table lacks'))
  await expect(table.stageRows(rowsOf({ id: columnOf('int', [1]) }))).rejects.toMatchObject(
    mismatch('column id is long in the table, integer in the rows'),
  )
  await expect(table.stageRows(rowsOf({ day: columnOf('date', [1]) }))).rejects.toMatchObject(
    mismatch('no column that is not partitioned by'),
  )
})

test('null is refused where the table has none, in a column and in a partition', async () => {
  const table = await DeltaTable.createOrEvolve(workshop.path('strict'), {
    fields: [column('id', 'long', false), column('text', 'string', false)],
    partitionColumns: ['text'],
  })
  const stage = (id: unknown, text: unknown) =>
    table.stageRows(rowsOf({ id: columnOf('long', [id]), text: columnOf('string', [text]) }))
  const refused = (name: string) => ({
    code: 'DELTA_VALUE_REFUSED',
    message: expect.stringContaining(`column ${name} may not be null`),
  })
  await expect(stage(null, 'a')).rejects.toMatchObject(refused('id'))
  await expect(stage(1, null)).rejects.toMatchObject(refused('text'))
  await expect(stage(1, '')).rejects.toMatchObject(refused('text'))
  await expect(table.stageRows(rowsOf({ id: columnOf('long', [1]) }))).rejects.toMatchObject({
    code: 'DELTA_SCHEMA_MISMATCH',
  })
  await expect(stage(1, 'ü'.repeat(45))).rejects.toMatchObject({
    code: 'DELTA_VALUE_REFUSED',
    message: expect.stringContaining('too long for a file name'),
  })
  expect((await stage(1, 'ü'.repeat(40))).rowCount).toBe(1n)
})

test('no rows are no files, and the steps are those of a query that is staged', async () => {
  const table = await newTable({ id: 'long' }, [])
  const steps: string[] = []
  setStepHook((name) => {
    steps.push(name)
  })
  try {
    expect(await table.stageRows(ids(0))).toMatchObject({ adds: [], rowCount: 0n })
    expect((await readdir(table.directory)).filter((name) => name.endsWith('.parquet'))).toEqual([])
    await table.stageRows(ids(1))
    const ofRows = steps.splice(0).slice(2)
    await table.stage(workshop.connection, 'SELECT 1 AS id')
    expect(ofRows).toEqual(steps)
    expect(steps).toEqual(['rows written', 'rows staged'])
  } finally {
    setStepHook(null)
  }
})

test('NaN in any row group leaves no bounds, a row group of nulls leaves those of the others', async () => {
  const table = await newTable({ nan: 'double', nulls: 'double', zero: 'double', long_text: 'string' }, [])
  const rows = Array.from({ length: rowGroupRowsMax + 10 }, (_, row) => row)
  const staged = await table.stageRows(
    rowsOf({
      nan: columnOf(
        'double',
        rows.map((row) => (row === rowGroupRowsMax + 3 ? Number.NaN : row)),
      ),
      nulls: columnOf(
        'double',
        rows.map((row) => (row < rowGroupRowsMax ? null : row)),
      ),
      zero: columnOf(
        'double',
        rows.map((row) => (row % 2 === 0 ? 0 : -0)),
      ),
      long_text: columnOf(
        'string',
        rows.map((row) => `${'x'.repeat(300)}${row % 3}`),
      ),
    }),
  )
  const stats = JSON.parse(staged.adds[0]!.statsJson!)
  expect(stats.minValues).toEqual({ nulls: rowGroupRowsMax, zero: -0, long_text: 'x'.repeat(32) })
  expect(stats.maxValues).toEqual({
    nulls: rowGroupRowsMax + 9,
    zero: 0,
    long_text: `${'x'.repeat(32)}\u007f`,
  })
  expect(stats.nullCount).toEqual({ nan: 0, nulls: rowGroupRowsMax, zero: 0, long_text: 0 })
})

test('a number that is beyond its type is refused, never cut', async () => {
  const types = [
    'int',
    'date',
    'long',
    'decimal(18,2)',
    'decimal(28,2)',
    'decimal(38,2)',
    'decimal(38,0)',
  ] as const
  const least = {
    int: -(2 ** 31),
    date: -(2 ** 31),
    long: -(2n ** 63n),
    'decimal(18,2)': 1n - 10n ** 18n,
    'decimal(28,2)': 1n - 10n ** 28n,
    'decimal(38,2)': 1n - 10n ** 38n,
    'decimal(38,0)': 1n - 10n ** 38n,
  }
  for (const type of types) {
    const table = await newTable({ v: type }, [])
    const beyond = type === 'int' || type === 'date' ? 2 ** 31 : -BigInt(least[type]) + 1n
    await table.stageRows(rowsOf({ v: columnOf(type, [least[type]]) }))
    await expect(table.stageRows(rowsOf({ v: columnOf(type, [0, beyond]) })), type).rejects.toThrow(
      `a value is no ${type}`,
    )
  }
})

test('files are skipped by our statistics, and no row that is asked for is in a skipped one', async () => {
  const table = await newTable({ id: 'long', text: 'string' }, [])
  for (let batch = 0; batch < 4; batch++) {
    const values = Array.from({ length: 10 }, (_, row) => batch * 10 + row)
    const texts = values.map((id) => `${'x'.repeat(40)}${String(id).padStart(3, '0')}`)
    await table.commit(
      await table.stageRows(rowsOf({ id: columnOf('long', values), text: columnOf('string', texts) })),
      { appId: 'a', version: BigInt(batch) },
    )
  }
  const snapshot = await table.snapshot()
  expect(prunedFiles(snapshot, [{ column: 'id', min: 12n, max: 13n }])).toHaveLength(1)
  expect(prunedFiles(snapshot, [{ column: 'id', min: 19n, max: 20n }])).toHaveLength(2)
  expect(prunedFiles(snapshot, [{ column: 'text', min: 'y' }])).toHaveLength(0)
})

test('the names that lead to a file are made durable: a directory once, and again when it was made again', async () => {
  const table = await newTable({ id: 'long', day: 'string' }, ['day'])
  const rows = rowsOf({ id: columnOf('long', [1n]), day: columnOf('string', ['a']) })
  const partition = join(table.directory, 'day=a')
  const synced: string[] = []
  const noting = async (path: string): Promise<void> => {
    synced.push(path)
    await fileSystem.sync(path)
  }
  setDisk({ ...fileSystem, sync: noting })
  try {
    const namesOfStage = async (): Promise<string[]> => {
      synced.length = 0
      await table.stageRows(rows)
      return synced.toSorted()
    }
    expect(await namesOfStage()).toEqual([table.directory, partition])
    expect(await namesOfStage()).toEqual([partition])
    await rm(partition, { recursive: true })
    expect(await namesOfStage()).toEqual([table.directory, partition])
  } finally {
    setDisk(fileSystem)
  }
})

test('a file that cannot be made durable fails the stage, and the process goes on, whatever is written meanwhile', async () => {
  const table = await newTable({ id: 'long', day: 'string' }, ['day'])
  const days = Array.from({ length: 20 }, (_, index) => `day${index}`)
  const rows = rowsOf({
    id: columnOf(
      'long',
      days.map(() => 1n),
    ),
    day: columnOf('string', days),
  })
  const one = await open(workshop.path('one'), 'w')
  const handles = Object.getPrototypeOf(one) as FileHandle
  const { sync } = handles
  const unhandled: unknown[] = []
  const note = (reason: unknown) => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
  handles.sync = () => Promise.reject(full)
  try {
    await expect(table.stageRows(rows)).rejects.toBe(full)
    expect(unhandled).toEqual([])
  } finally {
    handles.sync = sync
    process.off('unhandledRejection', note)
    await one.close()
  }
})
