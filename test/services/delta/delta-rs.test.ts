// delta-rs reads what we write, and we read what it writes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { Workshop } from '../../unit/delta/workshop.ts'
import { PythonProcess } from '../python.ts'
import { deltaReaders, pythonAvailable, pythonEnvironment } from '../tools.ts'
import { everyType, everyTypeQuery, oddTexts, rowsPerStaging, tableOfRows } from './tables.ts'

const commitCount = 5
const rowsPerCommit = oddTexts.length + 1
const allColumns = everyType.map((field) => field.name)

describe.skipIf(pythonAvailable !== null)(
  `delta-rs${pythonAvailable === null ? '' : ` (${pythonAvailable})`}`,
  () => {
    let workshop: Workshop
    let python: PythonProcess
    let table: DeltaTable

    beforeAll(async () => {
      workshop = await Workshop.open()
      python = new PythonProcess(await pythonEnvironment('delta-rs', deltaReaders))
      await python.run(
        `import pyarrow, pyarrow.dataset as ds
from datetime import date
from decimal import Decimal
from deltalake import DeltaTable, write_deltalake`,
      )
      table = await DeltaTable.createOrEvolve(workshop.path('ours'), {
        fields: everyType,
        partitionColumns: ['part', 'day'],
        properties: { 'delta.checkpointInterval': '3' },
      })
      for (let commit = 0; commit < commitCount; commit++) {
        await table.append(workshop.connection, everyTypeQuery(commit * 100), {
          appId: 'ours',
          version: BigInt(commit),
        })
      }
    })

    afterAll(async () => {
      await python?.close()
      await workshop?.close()
    })

    const path = () => ({ path: table.directory })

    test('reads every type, every odd partition text and every null as we wrote them', async () => {
      const [version, schema, count, rows] = await python.run(
        `opened = DeltaTable(inputs["path"])
found = opened.to_pyarrow_table()
types = {f.name: str(f.type) for f in found.schema}
result = [opened.version(), types, found.num_rows, found.sort_by("id").slice(0, 9).to_pylist()]`,
        path(),
      )
      expect([version, count]).toEqual([commitCount, commitCount * rowsPerCommit])
      expect(schema).toMatchObject({ at: 'timestamp[us, tz=UTC]', amount: 'decimal128(18, 2)', byte: 'int8' })
      expect(rows.map((row: { part: string | null }) => row.part)).toEqual([...oddTexts, null])
      expect(rows[1]).toMatchObject({
        at: '2024-01-01 01:00:00.123456+00:00',
        big: '12345678901234567891.0123456789',
        struct: { a: 1, b: '1969-12-31 23:59:59.999999+00:00' },
      })
    })

    test('skips files by our statistics', async () => {
      const counts = await python.run(
        `frame = DeltaTable(inputs["path"]).to_pyarrow_dataset()
second = pyarrow.scalar(date(2024, 1, 2))
eight = pyarrow.scalar(Decimal("8.00"), pyarrow.decimal128(18, 2))
conditions = [ds.field("id") < 5, ds.field("amount") > eight, ds.field("text") == "zzz", ds.field("day") == second]
result = [len(list(frame.get_fragments()))] + [len(list(frame.get_fragments(filter=c))) for c in conditions]`,
        path(),
      )
      expect(counts[0]).toBe(commitCount * rowsPerCommit)
      for (const count of counts.slice(1)) expect(count).toBeLessThanOrEqual(10)
    })

    test('sees our transactions, our history, our statistics and every earlier version', async () => {
      const [txn, operations, counts, recordCount] = await python.run(
        `opened = DeltaTable(inputs["path"])
counts = [DeltaTable(inputs["path"], version=v).to_pyarrow_table(columns=["id"]).num_rows for v in range(6)]
actions = pyarrow.table(opened.get_add_actions(flatten=True))
operations = [h["operation"] for h in opened.history()]
record_count = sum(actions["num_records"].to_pylist())
result = [opened.transaction_version("ours"), operations, counts, record_count]`,
        path(),
      )
      expect(txn).toBe(commitCount - 1)
      expect(operations).toEqual([...Array(commitCount).fill('WRITE'), 'CREATE TABLE'])
      expect(counts).toEqual([0, 1, 2, 3, 4, 5].map((version) => version * rowsPerCommit))
      expect(recordCount).toBe(commitCount * rowsPerCommit)
    })

    test('appends to our table, and we read its rows and append on', async () => {
      await python.run(
        `found = DeltaTable(inputs["path"]).to_pyarrow_table().sort_by("id").slice(0, 9)
ids = pyarrow.array([row["id"] + 1000 for row in found.to_pylist()], pyarrow.int64())
write_deltalake(inputs["path"], found.set_column(0, found.schema.field("id"), ids), mode="append")`,
        path(),
      )
      await table.append(workshop.connection, everyTypeQuery(2000), { appId: 'ours', version: 100n })
      const rows = await workshop.rows(table, allColumns)
      expect(rows).toHaveLength((commitCount + 2) * rowsPerCommit)
      const theirs = rows.filter((row) => Number(row.id) >= 1000 && Number(row.id) < 2000)
      expect(theirs).toEqual(
        rows.slice(0, rowsPerCommit).map((row) => ({ ...row, id: String(Number(row.id) + 1000) })),
      )
    })

    test('reads rows that were in memory, and skips their files and row groups by our statistics', async () => {
      const { directory } = await tableOfRows(workshop.path('rows'))
      const [types, count, row, nulls, files] = await python.run(
        `opened = DeltaTable(inputs["path"])
found = opened.to_pyarrow_table().sort_by("id")
frame = opened.to_pyarrow_dataset()
conditions = [ds.field("id") < 1000, ds.field("text") == "zzz", ds.field("amount") < Decimal("0.00")]
counts = [len(list(frame.get_fragments(filter=c))) for c in conditions] + [frame.filter(ds.field("int") == 5 - 2**31).count_rows()]
types = {f.name: str(f.type) for f in found.schema}
result = [types, found.num_rows, found.slice(7, 1).to_pylist()[0], found.slice(9, 1).to_pylist()[0], counts]`,
        { path: directory },
      )
      expect(types).toMatchObject({
        at: 'timestamp[us, tz=UTC]',
        big: 'decimal128(28, 2)',
        day: 'date32[day]',
      })
      expect(count).toBe(2 * rowsPerStaging)
      expect(row).toMatchObject({
        part: oddTexts[7],
        text: 'text 0',
        unique: `7 ${'é😀'.repeat(20)}`,
        int: 7 - 2 ** 31,
        double: 7 / 3,
        boolean: false,
        amount: '8.74',
        big: '10000000000000000000000000.07',
        at: '1970-01-01 06:59:59.999999+00:00',
        day: '1970-01-07',
        list: ['x7', null, ''],
      })
      expect(Object.values(nulls).filter((value) => value !== null)).toEqual([9])
      expect(files).toEqual([oddTexts.length + 1, 0, 1, 1])
    })

    test('makes a table and its checkpoint, and we read and continue it', async () => {
      const directory = workshop.path('theirs')
      await python.run(
        `data = pyarrow.table({"id": pyarrow.array([1, 2], pyarrow.int64()), "name": ["a", "b"]})
for _ in range(3):
    write_deltalake(inputs["path"], data, mode="append")
DeltaTable(inputs["path"]).create_checkpoint()`,
        { path: directory },
      )
      const theirs = await DeltaTable.open(directory)
      expect(theirs.directory).toBe(directory)
      await theirs.append(workshop.connection, "SELECT 3 AS id, 'c' AS name", { appId: 'ours', version: 1n })
      expect((await workshop.rows(theirs, ['id', 'name'])).at(-1)).toEqual({ id: '3', name: 'c' })
      expect(
        await python.run('result = DeltaTable(inputs["path"]).to_pyarrow_table().num_rows', {
          path: directory,
        }),
      ).toBe(7)
    })
  },
)
