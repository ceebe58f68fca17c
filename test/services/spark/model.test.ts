// Models on Spark give what LightGBM gives, and to the bit what they give in this process; a whole batch with
// rules that ask a model has the rows that the embedded engine writes, to the cell.
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addFunctions } from '../../../src/engines/duckdb-functions.ts'
import { sqlRelation } from '../../../src/engines/spark/connect/relations.ts'
import { input, project } from '../../../src/plan/index.ts'
import { Random } from '../../../src/produce/random.ts'
import { modelFileName } from '../../../src/rules/index.ts'
import { compileTable, duckdb, expressionSql, spark } from '../../../src/sql/index.ts'
import { distributionOf } from '../../../src/training/distribution.ts'
import { readTables } from '../../compare/read-in-process.ts'
import type { Row } from '../../oracle/rows.ts'
import { openJavaProducer } from '../kafka/java-producer.ts'
import { farthest, scoreOfModel } from '../model/score.ts'
import { rowCount, type TrainedModels, trainedColumns, trainedModels } from '../model/trained.ts'
import { runAssay, temporaryDirectory } from '../pipeline/assay.ts'
import { settingsFor } from '../pipeline/lakehouse.ts'
import { sharedBroker } from '../shared.ts'
import { call, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const names = ['plain', 'zero', 'unused'] as const
const types = Object.entries({ row: 'int', ...trainedColumns } as const)

describe.skipIf(sparkAbsent !== null)(`models on Spark (SEED=${seed})`, () => {
  let server: TestSpark
  let trained: TrainedModels
  let connection: DuckDBConnection
  beforeAll(async () => {
    trained = await trainedModels(seed, [...names, 'few'])
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

  test('a whole batch has the rows of the embedded engine, and each complete day its drift', async () => {
    const { text } = trained.models.find(({ name }) => name === 'few')!
    const directory = await projectOf(text)
    const broker = await sharedBroker()
    const producer = await openJavaProducer(broker.bootstrapServers)
    const topic = 'scored-by-a-model'
    await broker.createTopic(topic, 2)
    for (const record of paymentsOf(topic)) producer.send(record)
    await producer.command('flush')
    const found = await Promise.all(
      (['spark', 'embedded'] as const).map(async (engine) => {
        const base = await temporaryDirectory()
        const settings = settingsFor(broker.bootstrapServers, topic, base, {
          ...{ ENGINE: engine, SPARK_MASTER: server.address, SPARK_SHUFFLE_PARTITIONS: '2' },
        })
        const args = ['kafka-to-delta', 'fraud-detection', '--once', '--finalize', '--project', directory]
        await runAssay(['run', ...args], settings)
        if (engine === 'spark')
          await runAssay(['verify', 'fraud_detection', '--project', directory], settings)
        const names = ['fraud_detection', 'quality/drift']
        const tables: Readonly<Record<string, readonly Row[]>> = await readTables(base, names)
        return names.map((name) => tables[name]!.map(withoutBatch).sort())
      }),
    )
    await producer.close()
    await broker.leave()
    const [[rows, drift], [ofEmbedded, driftOfEmbedded]] = found as [string[][], string[][]]
    expect(rows).toEqual(ofEmbedded)
    expect(rows).toHaveLength(paymentCount)
    expect(new Set(rows!.map((row) => JSON.parse(row).model_score)).size).toBeGreaterThan(30)
    expect(rows!.filter((row) => row.includes('the_model')).length).toBeGreaterThan(20)
    expect(drift).toEqual(driftOfEmbedded)
    expect(drift).toHaveLength(2 * 2)
  })
})

const paymentCount = 3_000

function paymentsOf(topic: string) {
  const random = new Random(seed, 'payments')
  return Array.from({ length: paymentCount }, (_, index) => {
    // Two days and a half: two of them are complete.
    const timestampMs = Date.UTC(2026, 5, 1) + Math.floor((index * 216_000_000) / paymentCount)
    const value = {
      transaction_id: `p${index}`,
      user_id: random.whole(1, 300),
      amount: Number((10 ** (4 * random.float())).toFixed(2)),
      merchant: 'shop',
      timestamp: new Date(timestampMs).toISOString(),
      location: ['Paris, France', 'Lagos, Nigeria'][random.whole(0, 1)],
      payment_method: ['card', 'crypto', "it's quoted", 'cheque', null][random.whole(0, 4)],
    }
    const key = Buffer.from(String(value.user_id))
    return { topic, partition: index % 2, timestampMs, key, value: Buffer.from(JSON.stringify(value)) }
  })
}

/** A project whose rules ask the model, with a card that says what its amounts and scores were. */
async function projectOf(model: string): Promise<string> {
  const directory = await temporaryDirectory()
  await mkdir(join(directory, 'node_modules'))
  await symlink(join(import.meta.dirname, '../../..'), join(directory, 'node_modules', 'assay-lakehouse'))
  const file = modelFileName(model, 'txt')
  const ofNumbers = distributionOf(
    Float64Array.from({ length: 1_000 }, (_, index) => index / 1_000),
    null,
  )
  const ofAmounts = distributionOf(
    Float64Array.from({ length: 1_000 }, (_, index) => 10 ** (index / 250)),
    null,
  )
  const amount = { name: 'amount', source: 'amount', kind: 'number', isOfDay: false, distribution: ofAmounts }
  const card = { score: ofNumbers, features: [amount] }
  const methods = `{ value: payment_method, categories: [card, crypto, "it's quoted", Überweisung] }`
  const rules = `levels: { HIGH: 50 }
review_from: 50
model:
  file: ./${file}
  features:
    ratio: amount / 1000.0 - 1.0
    gap: tx_count_30min
    zeros: transaction_day_of_week
    hour: transaction_hour
    tiny: transaction_hour
    is_new: is_weekend
    payment_method: ${methods}
rules:
  - { name: the_model, when: model_score > 0.3, points: 60, says: 'the model gives {model_score}' }
  - { name: dear, when: amount > 5000, points: 10, says: dear }
`
  const files = {
    'package.json': '{ "type": "module" }',
    'assay.config.ts': `import { transactions } from 'assay-lakehouse'
export default transactions({ topic: 'shop', rules: './rules.yaml' })\n`,
    'rules.yaml': rules,
    [file]: model,
    [file.replace('.txt', '.card.json')]: JSON.stringify(card),
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content)
  return directory
}

/** As text that says of each number all its bits. */
function withoutBatch({ processing_time: _, ...row }: Row): string {
  return JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
}
