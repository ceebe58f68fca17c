// The arm of a customer is the same on DuckDB, in JavaScript and in Python's hashlib.
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, test } from 'vitest'
import { anyArms, armExpressions, armRows, armsOfPython } from '../../compare/arms.ts'
import { onDuckdb, onJavascript, onRecords } from '../../compare/evaluators.ts'
import { turnSeed } from '../../turns.ts'

test(`arms are those that Python's hashlib gives, cell by cell (SEED=${turnSeed})`, async () => {
  const cases = anyArms(turnSeed, 50)
  const [expressions, rows] = [armExpressions(cases), armRows(cases)]
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const found = {
    duckdb: (await onDuckdb(connection, expressions, rows)).table,
    javascript: onJavascript(expressions, rows),
    records: onRecords(expressions, rows),
  }
  connection.closeSync()
  instance.closeSync()
  // Every key under every name and share, of which each case is one.
  const all = rows.flatMap((_, place) => cases.map((one) => ({ ...one, key: cases[place]!.key })))
  const expected = armsOfPython(all)
  expect(new Set(expected)).toEqual(new Set(['control', 'candidate']))
  for (const [evaluator, table] of Object.entries(found)) expect(table.flat(), evaluator).toEqual(expected)
})
