// Others write the tables while the pipeline runs: delta-rs appends, compacts, vacuums, makes checkpoints and
// adds columns. The pipeline rebases its commits, and every row of both is there.
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { judgeLakehouse } from '../../compare/judge-lakehouse.ts'
import { deltaRsRequirements, readWithDeltaRs } from '../../compare/read-delta-rs.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { lines } from '../../generate/lines.ts'
import { type TableName, type Tables, tableNames } from '../../oracle/rows.ts'
import { newLakehouse, recordsOf, runOnce, writeInput } from '../../unit/engine/pipeline.ts'
import { PythonProcess } from '../python.ts'
import { pythonAvailable, pythonEnvironment } from '../tools.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const what = `repeat with SEED=${seed}`
const [values] = fc.sample(lines(160, 160), { seed, numRuns: 1 })
const recordsPerBatchMax = 8
/** Tables that others append to: a row of theirs has this merchant. */
const appendedTo: readonly TableName[] = ['gold/transactions', 'aggregations/merchant']
const theirMerchant = 'of another writer'

const disturb = `
import threading, pyarrow as pa, pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake
base, names, appended, merchant = inputs["base"], inputs["names"], inputs["appended"], inputs["merchant"]
stop, counts, failures = threading.Event(), {}, []
def count(what):
    counts[what] = counts.get(what, 0) + 1
def append(path):
    table = DeltaTable(path)
    schema = pa.schema(table.schema().to_arrow())
    row = {f.name: pa.nulls(1, f.type) for f in schema}
    row["merchant"] = pa.array([merchant], schema.field("merchant").type)
    write_deltalake(path, pa.table(row, schema=schema), mode="append")
    count("append")
def attempt(what, work):
    try:
        work()
    except Exception as error:
        failures.append(what + ": " + str(error)[:300])
def loop():
    turn = 0
    while not stop.is_set():
        name = names[turn % len(names)]
        path = base + "/" + name
        if DeltaTable.is_deltatable(path):
            def compact():
                DeltaTable(path).optimize.compact(); count("compact")
            def vacuum():
                DeltaTable(path).vacuum(dry_run=False); count("vacuum")
            def checkpoint():
                DeltaTable(path).create_checkpoint(); count("checkpoint")
            attempt("compact", compact)
            if turn % 3 == 0: attempt("vacuum", vacuum)
            if turn % 4 == 0: attempt("checkpoint", checkpoint)
            if name in appended: attempt("append", lambda: append(path))
        turn += 1
thread = threading.Thread(target=loop)
thread.start()
result = True
`

describe.skipIf(pythonAvailable !== null)(
  `others write while the pipeline runs${pythonAvailable === null ? '' : ` (${pythonAvailable})`}`,
  () => {
    let executable: string
    let python: PythonProcess
    beforeAll(async () => {
      executable = await pythonEnvironment('deltalake', deltaRsRequirements)
      python = new PythonProcess(executable)
    })
    afterAll(() => python?.close())

    test('appends, compactions, vacuums and checkpoints of delta-rs: no row of either is lost', async () => {
      const lakehouse = await newLakehouse()
      const { base } = lakehouse
      try {
        await writeInput(lakehouse, values!)
        const inputs = { base, names: tableNames, appended: appendedTo, merchant: theirMerchant }
        await python.run(disturb, inputs)
        await runOnce(lakehouse, { recordsPerBatchMax, finalize: true })
        const [counts, failures] = await python.run('stop.set(); thread.join(); result = [counts, failures]')
        // They may be refused (a conflict with our commit is theirs to repeat), but they did work.
        for (const work of ['append', 'compact', 'vacuum', 'checkpoint']) {
          expect(counts[work] ?? 0, `${work}, ${JSON.stringify(failures.slice(0, 5))}`).toBeGreaterThan(0)
        }
        expect(
          judgeLakehouse(recordsOf(values!), oursOf(await readTables(base), counts.append)),
          what,
        ).toEqual([])
        const { tables } = await readWithDeltaRs(executable, base)
        expect(judgeLakehouse(recordsOf(values!), oursOf(tables, counts.append)), what).toEqual([])
      } finally {
        await lakehouse.remove()
      }
    })

    test('a column that delta-rs adds while the pipeline runs is null in our rows', async () => {
      const lakehouse = await newLakehouse()
      try {
        await writeInput(lakehouse, values!)
        const directory = join(lakehouse.base, 'gold/transactions')
        let batches = 0
        let added: Promise<unknown> | null = null
        await runOnce(lakehouse, {
          recordsPerBatchMax,
          finalize: true,
          onBatch: () => {
            batches += 1
            if (batches !== 3) return
            const code = `from deltalake import DeltaTable
from deltalake.schema import Field, PrimitiveType
DeltaTable(inputs["path"]).alter.add_columns([Field("note", PrimitiveType("string"))])`
            added = python.run(code, { path: directory })
          },
        })
        await added
        await writeInput(lakehouse, values!)
        await runOnce(lakehouse, { recordsPerBatchMax })
        const table = await DeltaTable.open(directory)
        const { metadata } = await table.snapshot()
        expect(metadata.fields.map(({ name }) => name)).toContain('note')
        const tables = await readTables(lakehouse.base)
        const gold = tables['gold/transactions'].map(({ note, ...row }) => {
          expect(note).toBeNull()
          return row
        })
        expect(judgeLakehouse(recordsOf(values!), { ...tables, 'gold/transactions': gold }), what).toEqual([])
      } finally {
        await lakehouse.remove()
      }
    })

    test('a table that delta-rs overwrites with other columns is refused, by name', async () => {
      const lakehouse = await newLakehouse()
      try {
        await writeInput(lakehouse, values!.slice(0, 40))
        await runOnce(lakehouse, { recordsPerBatchMax })
        const code = `import pyarrow
from deltalake import write_deltalake
write_deltalake(inputs["path"], pyarrow.table({"merchant": [1, 2]}), mode="overwrite", schema_mode="overwrite")`
        await python.run(code, { path: join(lakehouse.base, 'aggregations/merchant') })
        await writeInput(lakehouse, values!)
        await expect(runOnce(lakehouse, { recordsPerBatchMax })).rejects.toMatchObject({
          code: 'DELTA_SCHEMA_MISMATCH',
          message: expect.stringContaining('merchant'),
        })
      } finally {
        await lakehouse.remove()
      }
    })
  },
)

/** Without the rows of the others, which are all there. */
function oursOf(tables: Tables, appended: number): Tables {
  let theirs = 0
  const entries = appendedTo.map((name) => {
    const ours = tables[name].filter(({ merchant }) => merchant !== theirMerchant)
    theirs += tables[name].length - ours.length
    return [name, ours]
  })
  expect(theirs).toBe(appended)
  return { ...tables, ...Object.fromEntries(entries) }
}
