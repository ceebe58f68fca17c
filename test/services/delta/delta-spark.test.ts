// delta-spark reads what we write, we read what it writes, and both go on writing the same table.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { Workshop } from '../../unit/delta/workshop.ts'
import type { PythonProcess } from '../python.ts'
import { sparkAbsent, startSpark } from './spark.ts'
import { everyType, everyTypeQuery, oddTexts, rowsPerStaging, tableOfRows } from './tables.ts'

const commitCount = 5
const rowsPerCommit = oddTexts.length + 1
const allColumns = everyType.map((field) => field.name)

describe.skipIf(sparkAbsent !== null)(`delta-spark${sparkAbsent === null ? '' : ` (${sparkAbsent})`}`, () => {
  let workshop: Workshop
  let spark: PythonProcess
  let table: DeltaTable

  beforeAll(async () => {
    workshop = await Workshop.open()
    spark = await startSpark(workshop.directory)
    table = await DeltaTable.createOrEvolve(workshop.path("a 'table' [é]"), {
      fields: everyType,
      partitionColumns: ['part', 'day'],
      // The newest checkpoint is at version 3, so that Spark reads a checkpoint and commits after it.
      properties: { 'delta.checkpointInterval': '3' },
    })
    for (let commit = 0; commit < commitCount; commit++) {
      await table.append(workshop.connection, everyTypeQuery(commit * 100), {
        appId: 'ours',
        version: BigInt(commit),
      })
    }
    expect(table.checkpointFailure).toBeNull()
  })

  afterAll(async () => {
    await spark?.close()
    await workshop?.close()
  })

  const path = () => ({ path: table.directory })

  test('reads every type, every odd partition text and every null as we wrote them', async () => {
    const [count, schema, rows] = await spark.run(
      `frame = spark.read.format("delta").load(inputs["path"])
result = [frame.count(), frame.schema.simpleString(), rows(frame.where("id < 100").orderBy("id"))]`,
      path(),
    )
    expect(count).toBe(commitCount * rowsPerCommit)
    expect(schema).toContain('at:timestamp')
    expect(rows.map((row: { part: string | null }) => row.part)).toEqual([...oddTexts, null])
    expect(rows[1]).toMatchObject({
      id: 1,
      day: '2024-01-02',
      text: `text 1\n"${'ü'.repeat(40)}`,
      byte: -3,
      float: Math.fround(1 / 3),
      double: 1e100,
      boolean: false,
      amount: '1.25',
      big: '12345678901234567891.0123456789',
      at: '2024-01-01 01:00:00.123456',
      list: ['x', null, 'y1'],
      struct: { a: 1, b: '1969-12-31 23:59:59.999999' },
      map: { k: 1, none: null },
    })
    expect(Object.values(rows.at(-1)).filter((value) => value !== null)).toEqual([oddTexts.length])
  })

  test.each([
    ['id < 5', 5],
    ["at > timestamp'2024-01-01 06:30:00'", 5],
    ["at = timestamp'2024-01-01 03:00:00.123456'", 5],
    ["text = 'zzz'", 0],
    ['amount > 8', 5],
    ['big > 12345678901234567896.1', 5],
    ['struct.a = 3', 5],
    ['byte = 3', 5],
    ['float > 2.3', 5],
    ['double > 6.5e100', 5],
    ["part = 'A'", 5],
    ["day = date'2024-01-02'", 5],
    ['text IS NULL', 5],
  ])('skips files by our statistics: %s needs %i files of 45', async (condition, fileCount) => {
    const [all, needed, found] = await spark.run(
      `frame = spark.read.format("delta").load(inputs["path"])
some = frame.where(inputs["condition"])
result = [len(frame.inputFiles()), len(some.inputFiles()), some.count()]`,
      { ...path(), condition },
    )
    expect([all, needed]).toEqual([45, fileCount])
    expect(found).toBe(fileCount)
  })

  test('reads rows that were in memory, and skips their files by our statistics', async () => {
    const { directory } = await tableOfRows(workshop.path('rows'))
    const [count, row, nulls, files] = await spark.run(
      `frame = spark.read.format("delta").load(inputs["path"])
conditions = ["id < 1000", "text = 'zzz'", "amount < 0", "big > 10000000000000000000000010", "day < '1970-01-01'"]
files = [len(frame.where(c).inputFiles()) for c in conditions]
counts = [frame.where(c).count() for c in conditions]
some = rows(frame.where("id in (7, 9)").orderBy("id"))
result = [frame.count(), some[0], some[1], [files, counts]]`,
      { path: directory },
    )
    expect(count).toBe(2 * rowsPerStaging)
    expect(row).toMatchObject({
      part: oddTexts[7],
      unique: `7 ${'é😀'.repeat(20)}`,
      int: 7 - 2 ** 31,
      double: 7 / 3,
      boolean: false,
      amount: '8.74',
      big: '10000000000000000000000000.07',
      at: '1970-01-01 06:59:59.999999',
      day: '1970-01-07',
      list: ['x7', null, ''],
    })
    expect(Object.values(nulls).filter((value) => value !== null)).toEqual([9])
    expect(files).toEqual([
      [oddTexts.length + 1, 0, 1, oddTexts.length, 1],
      [rowsPerStaging, 0, 1, 269, 1],
    ])
  })

  test('sees our protocol, transactions, history and every earlier version', async () => {
    const [protocol, txns, history, counts] = await spark.run(
      `found = state(inputs["path"])
history = rows(spark.sql("DESCRIBE HISTORY " + table(inputs["path"])))
counts = [spark.sql(f"SELECT * FROM {table(inputs['path'])} VERSION AS OF {v}").count() for v in range(6)]
result = [str(found.protocol()), str(found.setTransactions()), history, counts]`,
      path(),
    )
    expect(protocol).toBe('Protocol(1,2)')
    expect(txns).toContain(`SetTransaction(ours,${commitCount - 1},`)
    expect(history.map((entry: { operation: string }) => entry.operation)).toEqual([
      ...Array(commitCount).fill('WRITE'),
      'CREATE TABLE',
    ])
    expect(history[0].operationMetrics).toMatchObject({ numOutputRows: String(rowsPerCommit) })
    expect(counts).toEqual([0, 1, 2, 3, 4, 5].map((version) => version * rowsPerCommit))
  })

  test('appends, and we read its rows, transaction and INT96 timestamps in any session zone', async () => {
    await spark.run(
      `rows_there = spark.read.format("delta").load(inputs["path"]).where("id < 100")
writer = rows_there.withColumn("id", F.col("id") + 1000).write.format("delta").mode("append")
writer.option("txnAppId", "spark").option("txnVersion", 7).save(inputs["path"])`,
      path(),
    )
    const snapshot = await table.snapshot()
    expect(snapshot.txns.get('spark')?.version).toBe(7n)
    expect(snapshot.numRecords).toBe(BigInt((commitCount + 1) * rowsPerCommit))
    const rows = await workshop.rows(table, allColumns)
    const [ours, theirs] = [rows.slice(0, rowsPerCommit), rows.slice(-rowsPerCommit)]
    // Spark cannot tell the text __HIVE_DEFAULT_PARTITION__ from null when it writes a partition.
    const written = ours.map((row) => ({
      ...row,
      id: String(Number(row.id) + 1000),
      part: row.part === '__HIVE_DEFAULT_PARTITION__' ? null : row.part,
    }))
    expect(theirs).toEqual(written)
  })

  test('optimizes, merges, deletes and vacuums, and we go on reading, following and writing', async () => {
    const before = (await table.snapshot()).version
    await spark.run('spark.sql("OPTIMIZE " + table(inputs["path"]))', path())
    await table.append(workshop.connection, everyTypeQuery(2000), { appId: 'ours', version: 100n })
    await spark.run(
      `name = table(inputs["path"])
spark.sql(f"""MERGE INTO {name} t USING (SELECT 1 AS id) s ON t.id = s.id
  WHEN MATCHED THEN UPDATE SET text = 'merged'""")
spark.sql(f"DELETE FROM {name} WHERE id = 2")
spark.sql(f"VACUUM {name} RETAIN 0 HOURS")`,
      path(),
    )
    const reader = await workshop.rows(table, ['id', 'text'])
    expect(reader.slice(0, 3).map((row) => row.id)).toEqual(['0', '1', '3'])
    expect(reader[1]?.text).toBe('merged')
    const operations: [unknown, boolean][] = []
    for await (const commit of table.commits(before)) {
      operations.push([commit.commitInfo?.operation, commit.dataChange])
    }
    expect(operations.filter(([operation]) => !String(operation).startsWith('VACUUM'))).toEqual([
      ['OPTIMIZE', false],
      ['WRITE', true],
      ['MERGE', true],
      ['DELETE', true],
    ])
  })

  test('reads a table that we compacted, checkpointed and vacuumed', async () => {
    const result = await table.optimize(workshop.connection)
    expect(result).toMatchObject({ kind: 'compacted' })
    await table.checkpoint()
    await table.vacuum({ retentionMs: 0, force: true, nowMs: Date.now() + 60_000 })
    const [count, ids] = await spark.run(
      `frame = spark.read.format("delta").load(inputs["path"])
result = [state(inputs["path"]).version(), [row.id for row in frame.orderBy("id").collect()]]`,
      path(),
    )
    expect(BigInt(count)).toBe((await table.snapshot()).version)
    expect(ids.map(String)).toEqual((await workshop.rows(table, ['id'])).map((row) => row.id))
  })

  test('deletes rows by a deletion vector: the table is refused until the rows are purged, and then read', async () => {
    const directory = workshop.path('vectors')
    await spark.run(
      `name = table(inputs["path"])
spark.sql(f"""CREATE TABLE {name} (id LONG) USING delta
  TBLPROPERTIES ('delta.enableDeletionVectors' = true)""")
spark.sql(f"INSERT INTO {name} SELECT id FROM range(0, 10, 1, 1)")`,
      { path: directory },
    )
    const ids = async () => (await workshop.rows(await DeltaTable.open(directory), ['id'])).length
    expect(await ids()).toBe(10)
    await spark.run('spark.sql("DELETE FROM " + table(inputs["path"]) + " WHERE id = 3")', {
      path: directory,
    })
    await expect(ids()).rejects.toMatchObject({
      code: 'DELTA_FEATURE_UNSUPPORTED',
      message: expect.stringContaining('has a deletion vector'),
    })
    await spark.run('spark.sql("REORG TABLE " + table(inputs["path"]) + " APPLY (PURGE)")', {
      path: directory,
    })
    expect(await ids()).toBe(9)
  })

  test('makes a table with features that we refuse by their names', async () => {
    const directory = workshop.path('features')
    await spark.run(
      `name = table(inputs["path"])
spark.sql(f"CREATE TABLE {name} (id LONG, twice LONG GENERATED ALWAYS AS (id * 2)) USING delta")
spark.sql(f"""CREATE TABLE {table(inputs['path'] + '-dv')} (id LONG) USING delta
  TBLPROPERTIES ('delta.enableDeletionVectors' = true)""")
spark.sql(f"CREATE TABLE {table(inputs['path'] + '-check')} (id LONG) USING delta")
spark.sql(f"ALTER TABLE {table(inputs['path'] + '-check')} ADD CONSTRAINT positive CHECK (id > 0)")`,
      { path: directory },
    )
    const append = async (name: string) => {
      const opened = await DeltaTable.open(name)
      return opened.append(workshop.connection, 'SELECT 1 AS id', { appId: 'a', version: 1n })
    }
    const refused = (feature: string) => ({
      code: 'DELTA_FEATURE_UNSUPPORTED',
      message: expect.stringContaining(feature),
    })
    await expect(append(directory)).rejects.toMatchObject(refused('generatedColumns (column twice)'))
    await expect(append(`${directory}-check`)).rejects.toMatchObject(refused('delta.constraints.positive'))
    await expect(append(`${directory}-dv`)).rejects.toMatchObject(refused('deletionVectors'))
  })
})
