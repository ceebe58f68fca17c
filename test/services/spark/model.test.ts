// Models on Spark give what LightGBM gives, and to the bit what they give in this process.
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addFunctions } from '../../../src/engines/duckdb-functions.ts'
import { sqlRelation } from '../../../src/engines/spark/connect/relations.ts'
import { input, project } from '../../../src/plan/index.ts'
import { compileTable, duckdb, expressionSql, spark } from '../../../src/sql/index.ts'
import { farthest, scoreOfModel } from '../model/score.ts'
import { rowCount, type TrainedModels, trainedColumns, trainedModels } from '../model/trained.ts'
import { call, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const names = ['plain', 'zero', 'unused'] as const
const types = Object.entries({ row: 'int', ...trainedColumns } as const)

describe.skipIf(sparkAbsent !== null)(`models on Spark (SEED=${seed})`, () => {
  let server: TestSpark
  let trained: TrainedModels
  let connection: DuckDBConnection
  beforeAll(async () => {
    trained = await trainedModels(seed, names)
    server = await startTestSpark()
    connection = await (await DuckDBInstance.create(':memory:')).connect()
    addFunctions(connection)
  })
  afterAll(async () => {
    connection?.closeSync()
    await trained?.close()
    await server?.close()
  })

  test.each(names)('%s', async (name) => {
    const { text, predicted } = trained.models.find((model) => model.name === name)!
    const score = scoreOfModel(text)
    const columns = types.map(([column, type]) => `'${column}': '${duckdb.type(type)}'`).join(', ')
    const given = `read_csv('${trained.rows}', header = true, columns = {${columns}})`
    const sql = `SELECT ${expressionSql(duckdb, score)} FROM ${given} ORDER BY "row"`
    const inProcess = (await connection.runAndReadAll(sql)).getRows().map(([one]) => Number(one))

    const casts = types.map(([column, type], index) => {
      return `CAST(_c${index} AS ${spark.type(type)}) AS ${spark.name(column)}`
    })
    const rows = `SELECT ${casts.join(', ')} FROM csv.\`${trained.rows}\` WHERE _c0 <> 'row'`
    const startedMs = performance.now()
    const node = project(input('given', { row: 'int', ...trainedColumns }), ({ row }) => ({
      row,
      score,
    })).node
    const inputs = { given: sqlRelation(rows) }
    const select = `SELECT score FROM (${compileTable(spark, node).sql}) ORDER BY \`row\``
    const found = await server.session.rows(select, { ...call, inputs })
    console.log(`${name}: ${Math.round(performance.now() - startedMs)} ms for ${rowCount} rows`)
    const scores = Float64Array.from(found, (row) => Number(row.score))
    expect(farthest(scores, predicted)).toBeLessThan(1e-9)
    expect(farthest(scores, Float64Array.from(inProcess))).toBe(0)
  })
})
