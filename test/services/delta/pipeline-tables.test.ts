// The tables of a real run as delta-rs and delta-spark see them; the run goes on after Spark has written.
import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { batchesOfLog } from '../../compare/batches-of-log.ts'
import { judgeLakehouse } from '../../compare/judge-lakehouse.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { defaultConfig } from '../../oracle/oracle.ts'
import { type RawRecord, type Row, type TableName, type Tables, tableNames } from '../../oracle/rows.ts'
import { newDirectory, runAssay, startAssay } from '../pipeline/assay.ts'
import { PythonProcess } from '../python.ts'
import { deltaReaders, pythonAvailable, pythonEnvironment } from '../tools.ts'
import { type Digest, digestCode, digestOf } from './digest.ts'
import { readerExamples, writeExampleFiles } from './guide-examples.ts'
import { sparkAbsent, startSpark } from './spark.ts'

const { tables: definitions } = standardLakehouse

// So many that the tables have a checkpoint, and commits behind it.
const batchesBefore = 100
const [recordsBefore, recordsAfter, recordsPerBatch] = [5_600, 1_000, 55]
/** One value of each table that few files have: a window, or the offset of a row. */
const narrow: readonly [TableName, 'offset' | 'window_start' | 'session_end'][] = [
  ['bronze/transactions', 'offset'],
  ['silver/transactions', 'offset'],
  ['silver/quarantine', 'offset'],
  ['fraud_detection', 'offset'],
  ['gold/transactions', 'window_start'],
  ['aggregations/merchant', 'window_start'],
  ['aggregations/user', 'window_start'],
  ['aggregations/country', 'window_start'],
  ['aggregations/hourly_summary', 'window_start'],
  // A batch writes those that are over, however long they were.
  ['aggregations/sessions', 'session_end'],
]

let directory: string
let base: string
let input: string
let files: readonly string[]
let found: Tables

describe.skipIf(pythonAvailable !== null)('the tables of a real run', () => {
  beforeAll(async () => {
    directory = await newDirectory()
    ;[base, input] = [join(directory, 'tables'), join(directory, 'input')]
    const all = join(directory, 'produced')
    const count = String(recordsBefore + recordsAfter)
    const data = ['--period', '2024-03-09T18:00/2024-03-10T06:00', '--users', '300', '--seed', '7']
    const faults = ['--duplicates', '1%', '--disorder', '5%', '--late', '1%', '--malformed', '2%']
    const cut = ['--rotate-rows', String(recordsBefore)]
    await runAssay(['produce', '--count', count, ...data, ...faults, ...cut, '--to', all], {})
    files = (await readdir(all)).sort()
    expect(files).toHaveLength(2)
    await mkdir(input)
    await takeInput(files[0]!)
    found = await readTables(base)
  })
  afterAll(async () => {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  })

  describe('delta-rs', () => {
    let python: PythonProcess
    beforeAll(async () => {
      python = new PythonProcess(await pythonEnvironment('delta-rs', deltaReaders))
      await python.run(await readFile(join(import.meta.dirname, 'inspect_files.py'), 'utf8'))
      await python.run('from deltalake import DeltaTable\nimport pyarrow.dataset as ds')
    })
    afterAll(() => python?.close())

    test('the examples for other readers read every row', async () => {
      await writeExampleFiles(base)
      const { Spark: _, ...examples } = readerExamples(base)
      expect(Object.keys(examples)).toEqual(['delta-rs', 'polars', 'pandas', 'DuckDB', 'Files and pipes'])
      for (const [heading, code] of Object.entries(examples)) {
        expect(await python.run(code), heading).toBe(found['silver/transactions'].length)
      }
    })

    test.each(tableNames)(
      '%s: zstd, INT64 micros in UTC, and statistics that hold for every column',
      async (name) => {
        expect(await python.run('result = problems(inputs["path"])', pathOf(name))).toEqual([])
      },
    )

    test.each(tableNames)(
      '%s: schema, partitions, protocol, properties, rows, transactions, history',
      async (name) => {
        const [schema, partitions, protocol, configuration, rows, batch, history] = await python.run(
          `opened = DeltaTable(inputs["path"])
schema = {field["name"]: field["type"] for field in json.loads(opened.schema().to_json())["fields"]}
protocol = [opened.protocol().min_reader_version, opened.protocol().min_writer_version]
metadata = opened.metadata()
result = [schema, metadata.partition_columns, protocol, metadata.configuration,
  opened.to_pyarrow_dataset().count_rows(), opened.transaction_version("assay"), opened.history(3)]`,
          pathOf(name),
        )
        const definition = definitions.find(({ path }) => path === name)!
        expect(Object.keys(schema)).toEqual(Object.keys(definition.rows.schema))
        expect(partitions).toEqual(partitionsOf(name))
        expect(protocol).toEqual([1, 2])
        expect(configuration).toEqual({
          'delta.checkpointInterval': '100',
          'delta.logRetentionDuration': 'interval 86400 seconds',
          'delta.deletedFileRetentionDuration': 'interval 3600 seconds',
        })
        expect(rows).toBe(found[name].length)
        expect(batch).toBeGreaterThan(0)
        expect(history[0]).toMatchObject({
          operation: 'WRITE',
          userMetadata: expect.stringContaining('"assay":1'),
        })
      },
    )

    test.each(narrow)('%s: skips files by %s', async (name, column) => {
      const value = middle(found[name], column)
      const [all, needed, rows] = await python.run(
        `dataset = DeltaTable(inputs["path"]).to_pyarrow_dataset()
value = inputs["value"]
if inputs["column"] != "offset":
    value = pa.scalar(int(value), pa.timestamp("us", "UTC"))
else:
    value = int(value)
condition = ds.field(inputs["column"]) == value
fragments = list(dataset.get_fragments(filter=condition))
result = [len(list(dataset.get_fragments())), len(fragments), dataset.count_rows(filter=condition)]`,
        { ...pathOf(name), column, value: String(value) },
      )
      expect(rows).toBe(found[name].filter((row) => row[column] === value).length)
      expectFew(needed, all)
    })

    test('a table without the commits before its checkpoint is the same table', async () => {
      const copy = await copyBehindCheckpoint('silver/transactions')
      const [version, rows, batch] = await python.run(
        `opened = DeltaTable(inputs["path"])
result = [opened.version(), opened.to_pyarrow_dataset().count_rows(), opened.transaction_version("assay")]`,
        { path: copy },
      )
      const log = await readdir(join(base, 'silver/transactions/_delta_log'))
      const last = log
        .filter((file) => /^\d{20}\.json$/.test(file))
        .sort()
        .at(-1)!
      expect(version).toBe(Number(last.slice(0, 20)))
      expect(rows).toBe(found['silver/transactions'].length)
      expect(batch).toBe((await batchesOfLog(base)).length)
    })
  })

  describe.skipIf(sparkAbsent !== null)('delta-spark', () => {
    let spark: PythonProcess
    beforeAll(async () => {
      spark = await startSpark(directory)
      await spark.run(digestCode)
    })
    afterAll(() => spark?.close())

    test('the example for Spark reads every row', async () => {
      const rows = found['silver/transactions'].length
      // Its names are not those of the other tests.
      const alone = 'own = {"spark": spark}; exec(inputs["code"], own); result = own["result"]'
      expect(await spark.run(alone, { code: readerExamples(base).Spark! })).toBe(rows)
    })

    async function expectSameRows(tables: Tables, names: readonly TableName[]): Promise<void> {
      for (const name of names) {
        const digest: Digest = await spark.run('result = digest(inputs["path"])', pathOf(name))
        expect(digestOf(tables[name], digest), name).toEqual(digest)
      }
    }

    test('reads the rows of every table as we do', () => expectSameRows(found, tableNames))

    test.each(narrow)('%s: skips files by %s', async (name, column) => {
      const value = middle(found[name], column)
      const [all, needed, rows, detail] = await spark.run(
        `frame = spark.read.format("delta").load(inputs["path"])
value = F.timestamp_micros(F.lit(int(inputs["value"]))) if inputs["column"] != "offset" else int(inputs["value"])
some = frame.where(F.col(inputs["column"]) == value)
detail = spark.sql("DESCRIBE DETAIL " + table(inputs["path"])).collect()[0].asDict()
result = [len(frame.inputFiles()), len(some.inputFiles()), some.count(), detail]`,
        { ...pathOf(name), column, value: String(value) },
      )
      expect(rows).toBe(found[name].filter((row) => row[column] === value).length)
      expectFew(needed, all)
      const protocol = { minReaderVersion: 1, minWriterVersion: 2 }
      expect(detail).toMatchObject({ ...protocol, partitionColumns: partitionsOf(name) })
    })

    test('a checkpoint, transactions, history and an earlier version', async () => {
      const copy = await copyBehindCheckpoint('silver/transactions')
      const [rows, txns, operations, earlier, texts] = await spark.run(
        `name = table(inputs["path"])
history = rows(spark.sql("DESCRIBE HISTORY " + name))
earlier = spark.sql(f"SELECT count(*) AS n FROM {name} VERSION AS OF 40").collect()[0]
result = [spark.read.format("delta").load(inputs["copy"]).count(), str(state(inputs["copy"]).setTransactions()),
  [h["operation"] for h in history], earlier.n, [h["userMetadata"] for h in history if h["version"] in (40, 60)]]`,
        { ...pathOf('silver/transactions'), copy },
      )
      const batches = await batchesOfLog(base)
      const silver = found['silver/transactions']
      expect(rows).toBe(silver.length)
      expect(txns).toContain(`SetTransaction(assay,${batches.length},`)
      expect(operations.filter((one: string) => one === 'WRITE')).toHaveLength(batches.length)
      expect(operations.at(-1)).toBe('CREATE TABLE')
      // What a commit says of itself tells which rows its version has.
      const [later, told] = texts.map((text: string) => JSON.parse(text))
      expect(BigInt(later.batch) - BigInt(told.batch)).toBe(20n)
      const time = BigInt(told.time)
      expect(earlier).toBe(silver.filter((row) => (row.processing_time as bigint) <= time).length)
    })

    test('appends, merges, deletes, optimizes and vacuums; the run goes on and all tables are right', async () => {
      const written = [
        'bronze/transactions',
        'silver/transactions',
        'fraud_detection',
        'aggregations/user',
      ] as const
      const paths = Object.fromEntries(written.map((name) => [name, join(base, name)]))
      const filesLeft = await spark.run(
        `paths = inputs["paths"]
silver, fraud = paths["silver/transactions"], paths["fraud_detection"]
one = spark.read.format("delta").load(silver).agg(F.min("transaction_id")).collect()[0][0]
spark.sql(f"""MERGE INTO {table(silver)} t USING (SELECT '{one}' AS id) s ON t.transaction_id = s.id
  WHEN MATCHED THEN UPDATE SET merchant = t.merchant""")
spark.read.format("delta").load(fraud).limit(5).withColumn("topic", F.lit("foreign")) \\
  .write.format("delta").mode("append").save(fraud)
spark.sql(f"DELETE FROM {table(fraud)} WHERE topic = 'foreign'")
for path in paths.values():
    spark.sql("OPTIMIZE " + table(path))
    spark.sql(f"VACUUM {table(path)} RETAIN 0 HOURS")
result = [len(spark.read.format("delta").load(path).inputFiles()) for path in paths.values()]`,
        { paths },
      )
      for (const count of filesLeft) expect(count).toBeLessThanOrEqual(2) // One for each partition.
      expect(sorted(await readTables(base))).toEqual(sorted(found))
      await takeInput(files[1]!, '--finalize')
      const after = await readTables(base)
      const records = (await Promise.all(files.map(recordsOfFile))).flat()
      expect(judgeLakehouse(records, after, defaultConfig, await batchesOfLog(base))).toEqual([])
      await expectOnlyRemovals()
      await expectSameRows(after, written)
    })
  })
})

/**
 * What another program deleted or rewrote is a finding until it is adopted; after its VACUUM nobody can say
 * any more what went. All rows are proved nevertheless.
 */
async function expectOnlyRemovals(): Promise<void> {
  const { code, stdout } = await startAssay(['verify'], { DELTA_BASE_PATH: base }).ended
  const failed = [...stdout.matchAll(/^FAILED +(\S+), (\S+):/gm)].map(([, table, check]) => [table, check])
  const expected = [
    ['silver.transactions', 'commits'],
    ['fraud_detection', 'commits'],
  ]
  expect([code, failed], stdout).toEqual([1, expected])
  expect(stdout).toMatch(/another program removed rows \(MERGE\), if it was meant: assay erase --adopt/)
}

function pathOf(name: TableName): { path: string } {
  return { path: join(base, name) }
}

function partitionsOf(name: TableName): string[] {
  const column = definitions.find(({ path }) => path === name)!.partitionBy
  return column === null ? [] : [column]
}

/** Carries one more of the produced files through the pipeline. */
async function takeInput(file: string, ...flags: string[]): Promise<void> {
  await cp(join(directory, 'produced', file), join(input, file))
  const settings = {
    DELTA_BASE_PATH: base,
    MAX_RECORDS_PER_BATCH: String(recordsPerBatch),
    COMPACTION: 'off',
  }
  await runAssay(['run', '--once', ...flags, '--from', input], settings)
  expect((await batchesOfLog(base)).length).toBeGreaterThan(batchesBefore)
}

async function recordsOfFile(file: string): Promise<RawRecord[]> {
  const content = await readFile(join(input, file))
  const records: RawRecord[] = []
  for (let offset = 0; offset < content.length; ) {
    const end = content.indexOf(10, offset)
    const value = content.subarray(offset, end)
    const place = { topic: file, partition: 0, offset: BigInt(offset) }
    records.push({ ...place, value, key: null, headers: null, timestampMs: null })
    offset = end + 1
  }
  return records
}

/** A copy of the table whose log begins with its checkpoint. */
async function copyBehindCheckpoint(name: TableName): Promise<string> {
  const copy = join(directory, 'copies', name)
  await rm(copy, { recursive: true, force: true })
  await cp(join(base, name), copy, { recursive: true })
  const log = join(copy, '_delta_log')
  const { version } = JSON.parse(await readFile(join(log, '_last_checkpoint'), 'utf8'))
  for (const file of await readdir(log)) {
    const isCommit = /^\d{20}\.json$/.test(file)
    if (isCommit && Number(file.slice(0, 20)) <= version) await rm(join(log, file))
  }
  return copy
}

/** A value from the middle of the table; hardly any file has it. */
function middle(rows: readonly Row[], column: string): bigint {
  const values = rows.map((row) => row[column] as bigint).sort((a, b) => Number(a - b))
  return values[Math.floor(values.length / 2)]!
}

/** Only one batch, or one window, has the value: a few files of many. */
function expectFew(needed: number, all: number): void {
  expect(needed).toBeGreaterThan(0)
  expect(needed, `${needed} of ${all} files`).toBeLessThanOrEqual(Math.max(3, all / 10))
  expect(all).toBeGreaterThan(needed)
}

function sorted(tables: Tables): Record<string, string[]> {
  const text = (row: Row) => JSON.stringify(row, (_, cell) => (typeof cell === 'bigint' ? `${cell}n` : cell))
  return Object.fromEntries(tableNames.map((name) => [name, tables[name].map(text).sort()]))
}
