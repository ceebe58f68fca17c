// A lakehouse of the fewest tables: what a kill, a fault or a changed setting does to a batch on Spark is the
// same for any, and each table is a write of seconds. All nine tables are in pipeline.test.ts.
import { standardLakehouse } from '../../../../src/lakehouse/index.ts'
import { defineLakehouse } from '../../../../src/plan/index.ts'

const { rulesFrom: _, ...standard } = standardLakehouse

export const fewTables = defineLakehouse({
  ...standard,
  scored: null,
  rules: [],
  tables: standard.tables.filter(({ path }) => path === 'gold/transactions'),
  streams: ['kafka-to-delta', 'aggregations'],
})

export default fewTables
