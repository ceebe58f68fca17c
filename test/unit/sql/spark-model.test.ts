// A model on Spark is data in a statement for few rows, and a column for each tree in one for many, or for
// nobody knows how many. That both give the same: test/services/spark/model.test.ts.
import { expect, test } from 'vitest'
import { modelScore } from '../../../src/expr/functions/model.ts'
import { literal } from '../../../src/expr/index.ts'
import { modelText, readModel } from '../../../src/model/index.ts'
import { input, project } from '../../../src/plan/index.ts'
import { compileTable, spark } from '../../../src/sql/index.ts'
import { smallModel } from '../model/small-model.ts'

test('the plan of a statement grows with the trees from 10,000 rows on', () => {
  const read = readModel(smallModel)
  if (read.kind === 'mistake') throw new Error(read.message)
  const text = literal('string', modelText(read.model))
  const given = input('given', { amount: 'double', hour: 'double', method: 'double' })
  const { node } = project(given, (row) => ({
    score: modelScore(text, row.amount, row.hour, row.method),
  }))
  const sqlFor = (rows: object) => compileTable({ ...spark, ...rows }, node).sql
  expect(sqlFor({ rowsAbout: 9_999 })).toContain('from_json')
  for (const rows of [{}, { rowsAbout: 10_000 }]) {
    expect(sqlFor(rows)).not.toContain('from_json')
    expect(sqlFor(rows)).toContain('tree 1 of score')
  }
})
