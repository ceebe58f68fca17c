// The operator `over` on Spark against its meaning, on random rows.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Inputs, sqlRelation } from '../../../src/engines/spark/connect/relations.ts'
import type { SparkRow } from '../../../src/engines/spark/connect/rows.ts'
import { HeldRows } from '../../../src/engines/spark/held-rows.ts'
import type { Schema } from '../../../src/expr/index.ts'
import { columnType, countsAlone, type OverNode } from '../../../src/plan/index.ts'
import {
  boundSpark,
  type CompiledTable,
  compileTable,
  keyLiteral,
  literalSql,
  spark,
} from '../../../src/sql/index.ts'
import { chainByMeaning, literalValue, overCases, overChains, overSchema } from '../../generate/over.ts'
import { type OracleRow, type OracleValue, overByMeaning } from '../../oracle/over.ts'
import { call, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'

const caseCount = Number(process.env.RUNS ?? 4)
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)

describe.skipIf(sparkAbsent !== null)(`on Spark (SEED=${seed})`, () => {
  let server: TestSpark
  beforeAll(async () => {
    server = await startTestSpark({ compilesStages: true })
  })
  afterAll(() => server?.close())

  test('over gives what its meaning says', { timeout: 600_000 }, async () => {
    for (const { node, oracle, batches } of fc.sample(overCases, { seed, numRuns: caseCount })) {
      const [past, now] = [batches.slice(0, -1).flat(), batches.at(-1)!]
      const inputs = { history: relationOf(past), batch: relationOf(now) }
      const wanted = overByMeaning(oracle, past, now).map((row) => shown(node, row))
      // Where rows are counted alone, each key is once a busy one.
      const keys = [...new Set(now.map((row) => row[node.key]!))].filter((key) => key !== null)
      for (const busy of countsAlone(node) ? [[], keys] : [[]]) {
        const busyKeys = new Map([[node, busy.map((key) => keyLiteral(node, keyText(node, key)))]])
        const rows = await rowsOf(compileTable({ ...boundSpark({}), busyKeys }, node), inputs)
        const found = new Map(rows.map((row) => [row.offset, shown(node, row)]))
        expect(
          now.map((row) => found.get(row.offset)),
          JSON.stringify({ aggregates: node.aggregates, key: node.key, range: String(node.rangeMicros) }),
        ).toEqual(wanted)
        expect(rows).toHaveLength(now.length)
      }
    }
  })

  async function rowsOf({ shared, sql }: CompiledTable, inputs: Inputs): Promise<SparkRow[]> {
    const held = new HeldRows(server.session, (what) => ({ ...call, what }))
    const all = { ...inputs, ...(await held.holdShared(shared, inputs)) }
    const select = `SELECT * FROM (${sql}) ORDER BY offset`
    const rows = await server.session.rows(select, { ...call, inputs: all })
    await held.dropOthers(null)
    return rows
  }

  test('operators above one another give what their meanings say', { timeout: 600_000 }, async () => {
    const chains = fc.sample(overChains, { seed, numRuns: Math.ceil(caseCount / 2) })
    for (const one of chains) {
      const { node, chain, batches } = one
      const { wanted, counted } = chainByMeaning(one)
      const inputs = {
        history: relationOf(batches.slice(0, -1).flat()),
        history_counted: relationOf(counted, { ...overSchema, counted: 'int' }),
        batch: relationOf(batches.at(-1)!),
      }
      const rows = await rowsOf(compileTable(boundSpark({}), node), inputs)
      const all = (row: Readonly<Record<string, unknown>>) => chain.map((each) => shown(each.node, row))
      const inOrder = wanted.toSorted((a, b) => Number(a.offset) - Number(b.offset))
      expect(rows.map(all), JSON.stringify(chain.map(({ oracle }) => ({ ...oracle, range: 0 })))).toEqual(
        inOrder.map(all),
      )
    }
  })
})

function relationOf(rows: readonly OracleRow[], schema: Schema = overSchema) {
  const types = Object.entries(schema)
  const tuples = rows.map((row) => {
    const cells = types.map(([name, type]) => {
      const value = row[name]!
      if (type === 'timestamp')
        return value === null ? 'CAST(NULL AS TIMESTAMP)' : `timestamp_micros(${value}L)`
      return literalSql(spark, type, literalValue(type, value))
    })
    return `(${cells.join(', ')})`
  })
  const names = types.map(([name]) => spark.name(name)).join(', ')
  if (tuples.length > 0) return sqlRelation(`SELECT * FROM VALUES ${tuples.join(', ')} AS t(${names})`)
  const nulls = types.map(([name, type]) => `CAST(NULL AS ${spark.type(type)}) AS ${spark.name(name)}`)
  return sqlRelation(`SELECT ${nulls.join(', ')} WHERE false`)
}

function keyText(node: OverNode, key: OracleValue): string {
  return String(literalValue(columnType(node.input, node.key), key))
}

/** Decimals and days as the oracle has them. */
function shown(node: OverNode, row: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(node.aggregates).map(([name, { type }]) => {
      const value = row[name]
      const isText = type.startsWith('decimal') && typeof value === 'string'
      return [name, isText ? String(BigInt(value.replace('.', ''))) : String(value)]
    }),
  )
}
