// Silver of any project: records that are written from what they mean, on DuckDB, in JavaScript, and as the
// proof reads them.
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { silverOf } from '../../../src/lakehouse/2-silver/transactions.ts'
import { bySecondReading, differencesOf, inJavascript, onDuckdb } from '../../compare/mapped-silver.ts'
import { mappedProject, mappedRecord } from '../../oracle/mapped-project.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const projectCount = Number(process.env.PROJECTS ?? 25)
const recordsPerProject = 120

test(`random projects read random records as they were written (SEED=${seed})`, async () => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const reasons = new Set<string>()
  let accepted = 0
  for (const [index, project] of fc.sample(mappedProject, { seed, numRuns: projectCount }).entries()) {
    const silver = silverOf(project)
    const records = fc.sample(mappedRecord(project), { seed: seed + index, numRuns: recordsPerProject })
    const differences = differencesOf(records, {
      duckdb: await onDuckdb(connection, silver, records),
      javascript: inJavascript(silver, records),
      verify: bySecondReading(silver, records),
    })
    const what = `${differences.length} records of ${JSON.stringify(project)}; repeat with SEED=${seed}`
    expect(differences.slice(0, 2), what).toEqual([])
    accepted += records.filter((record) => record.reasons.length === 0).length
    for (const record of records) for (const reason of record.reasons) reasons.add(reason)
  }
  connection.closeSync()
  instance.closeSync()
  // The records are no uniform crowd.
  expect(accepted).toBeGreaterThan((projectCount * recordsPerProject) / 20)
  expect(reasons.size).toBeGreaterThan(12)
})
