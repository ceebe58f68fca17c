// Random expressions give the same on DuckDB, compiled to JavaScript, and by the functions of the records.
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addFunctions } from '../../../src/engines/duckdb-functions.ts'
import { differencesOf, onDuckdb, onJavascript, onRecords } from '../../compare/evaluators.ts'
import { anyCondition } from '../../generate/conditions.ts'
import { anyExpression, anyRow } from '../../generate/expressions.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const batchCount = 20
const expressionsPerBatch = 150
const rowsPerBatch = 20

const generators = { expressions: anyExpression, 'conditions of rules': anyCondition }

test.each(Object.entries(generators))(
  `random %s have the same value (SEED=${seed})`,
  async (_, generator) => {
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    addFunctions(connection)
    for (let batch = 0; batch < batchCount; batch++) {
      const expressions = fc.sample(generator, { seed: seed + batch, numRuns: expressionsPerBatch })
      const rows = fc.sample(anyRow, { seed: seed + batch, numRuns: rowsPerBatch })
      const { table } = await onDuckdb(connection, expressions, rows)
      const differences = differencesOf(expressions, rows, {
        duckdb: table,
        javascript: onJavascript(expressions, rows),
        records: onRecords(expressions, rows),
      })
      const what = `${differences.length} differences in batch ${batch}; repeat with SEED=${seed}`
      expect(differences.slice(0, 3), what).toEqual([])
    }
    connection.closeSync()
    instance.closeSync()
  },
)
