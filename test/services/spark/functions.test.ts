// Every function does on Spark what its examples say, and gives the type that it declares: as on DuckDB.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allAggregates, allFunctions, type ColumnType, type FunctionRecord } from '../../../src/expr/index.ts'
import { literalSql, spark } from '../../../src/sql/index.ts'
import { call, sparkAbsent, startTestSpark, type TestSpark } from './harness.ts'

describe.skipIf(sparkAbsent !== null)('on Spark', () => {
  let server: TestSpark
  beforeAll(async () => {
    server = await startTestSpark({ compilesStages: true })
  })
  afterAll(() => server?.close())

  test.each(allFunctions().map((record) => [record.name, record] as const))('%s', async (_, record) => {
    // As columns of rows, not as constants that are folded before anything runs.
    const names = record.args.length === 0 ? [] : argumentNames(record)
    const type = record.returns === 'T' ? record.exampleType! : record.returns
    const selects = record.examples.map((example, place) => {
      const args = example.in.map((_value, index) => names[index]!)
      const values = example.in.map((value, index) => {
        const literal = literalSql(spark, argumentType(record, index), value)
        return `${literal} AS ${names[index]}`
      })
      const result = record.spark(...args)
      const rows = `(SELECT ${[`id + ${place} AS place`, ...values].join(', ')} FROM range(1))`
      const expected = literalSql(spark, type, example.out)
      const same =
        type === 'json' ? `to_json(${result}) <=> to_json(${expected})` : `${result} <=> ${expected}`
      const got = type === 'json' ? `to_json(${result})` : `CAST(${result} AS STRING)`
      return `SELECT place, ${same} AS same, ${got} AS got, typeof(${result}) AS type FROM ${rows}`
    })
    const rows = await server.session.rows(`${selects.join('\nUNION ALL\n')}\nORDER BY place`, call)
    const typeName = spark.type(type).toLowerCase()
    const found = rows.map(({ same, got, type: of }, place) => ({
      in: record.examples[place]!.in,
      same: same === true ? true : `got ${got}`,
      type: String(of).toLowerCase(),
    }))
    const wanted = record.examples.map((example) => ({ in: example.in, same: true, type: typeName }))
    const gap = record.gaps?.spark
    if (gap === undefined) expect(found).toEqual(wanted)
    else expect(found, `the gap has closed: ${gap}`).not.toEqual(wanted)
  })

  test.each(allAggregates().map((record) => [record.name, record] as const))(
    'the aggregate %s over panes is the aggregate over rows',
    async (_, record) => {
      const type = record.args[0]?.replace('*', '') as ColumnType | 'T' | undefined
      const argument =
        type === undefined
          ? []
          : [type === 'boolean' ? '(v > 2)' : type === 'T' ? 'v' : `CAST(v AS ${spark.type(type)})`]
      const rows = `(SELECT g, p, v FROM VALUES ('a',1,1),('a',1,2),('a',2,2),('a',3,NULL),('b',1,NULL),('b',2,3),('b',2,3) t(g,p,v))`
      const whole = `SELECT g, ${record.spark(...argument)} AS r FROM ${rows} GROUP BY g`
      const panes = `SELECT g, p, ${record.panes.spark.partial(...argument)} AS part FROM ${rows} GROUP BY g, p`
      const combined = `SELECT g, ${record.panes.spark.combine('part')} AS r FROM (${panes}) GROUP BY g`
      const [row] = await server.session.rows(
        'SELECT count(*) AS groups, bool_and(w.r <=> c.r) AS same, ' +
          'collect_set(typeof(w.r)) AS whole, collect_set(typeof(c.r)) AS combined ' +
          `FROM (${whole}) w JOIN (${combined}) c USING (g)`,
        call,
      )
      const returns = record.returns === 'T' ? 'int' : spark.type(record.returns).toLowerCase()
      expect(row).toEqual({ groups: 2n, same: true, whole: [returns], combined: [returns] })
    },
  )
})

function argumentType(record: FunctionRecord, index: number): ColumnType {
  const type = record.args[Math.min(index, record.args.length - 1)]!.replace('*', '')
  return (type === 'T' ? record.exampleType! : type) as ColumnType
}

function argumentNames(record: FunctionRecord): string[] {
  const count = Math.max(...record.examples.map((example) => example.in.length))
  return Array.from({ length: count }, (_, index) => `a${index}`)
}
