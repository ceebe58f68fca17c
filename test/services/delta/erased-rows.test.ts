// Another program deletes rows of silver (delta-rs), and reads the tables that we have erased a person from.
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adoptDeletion } from '../../../src/engines/adopt.ts'
import { erasePersons } from '../../../src/engines/erase.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import { eraseOptions, person, personRecords, recordTables, trace } from '../../unit/engine/erased-person.ts'
import { memorySource } from '../../unit/engine/memory-source.ts'
import { type Lakehouse, newLakehouse, runOnce } from '../../unit/engine/pipeline.ts'
import { failedChecks, verifyOptions } from '../../unit/verify/damaged-lakehouse.ts'
import { PythonProcess } from '../python.ts'
import { deltaReaders, pythonAvailable, pythonEnvironment } from '../tools.ts'

describe.skipIf(pythonAvailable !== null)(
  `delta-rs${pythonAvailable === null ? '' : ` (${pythonAvailable})`}`,
  () => {
    let lakehouse: Lakehouse
    let python: PythonProcess
    const options = () => ({ ...eraseOptions, deltaBasePath: lakehouse.base })
    const failed = async () => failedChecks(await verifyLakehouse(verifyOptions(lakehouse.base), null))

    beforeAll(async () => {
      python = new PythonProcess(await pythonEnvironment('delta-rs', deltaReaders))
      await python.run('from deltalake import DeltaTable')
      lakehouse = await newLakehouse()
      await runOnce(lakehouse, { recordsPerBatchMax: 60 }, memorySource(personRecords()))
    })
    afterAll(async () => {
      await python?.close()
      await lakehouse?.remove()
    })

    test('a DELETE is a finding until it is adopted', async () => {
      const version = await python.run(
        `table = DeltaTable(inputs["path"])
table.delete("user_id = 3")
result = table.version()`,
        { path: join(lakehouse.base, 'silver/transactions') },
      )
      expect(await failed()).toEqual(
        expect.arrayContaining(['silver/transactions, commits', 'silver/transactions, split']),
      )
      const adopted = await adoptDeletion(options(), 'silver/transactions', BigInt(version), false)
      expect(adopted.records).toBe(36n)
      expect(adopted.stillIn).toMatchObject({ 'bronze/transactions': 36n, fraud_detection: 36n })
      expect(await failed()).toEqual([])
      const everywhere = await adoptDeletion(options(), 'silver/transactions', BigInt(version), true)
      expect(everywhere.erased).toMatchObject({ 'bronze/transactions': 36n, fraud_detection: 36n })
      expect(await failed()).toEqual([])
    })

    test('the tables of an erased person have the rows of the others, and no older version', async () => {
      await erasePersons(options(), [BigInt(person)])
      for (const name of recordTables) {
        const [rows, traces, olderFails] = await python.run(
          `table = DeltaTable(inputs["path"])
found = table.to_pyarrow_table().to_pylist()
try:
    DeltaTable(inputs["path"], version=table.version() - 1).to_pyarrow_table()
    older_fails = False
except Exception:
    older_fails = True
result = [len(found), sum(inputs["trace"] in str(row) for row in found), older_fails]`,
          { path: join(lakehouse.base, name), trace },
        )
        expect(rows, name).toBeGreaterThan(0)
        expect([traces, olderFails], name).toEqual([0, true])
      }
      expect(await failed()).toEqual([])
    })
  },
)
