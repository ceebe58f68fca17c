import { expect, test } from 'vitest'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { sqlName, tableNamed } from '../../../src/query/table-name.ts'

const { tables } = standardLakehouse

test('a table is found by its name in SQL, by its path, and by the last part where one table has it', () => {
  for (const table of tables) {
    expect(tableNamed(sqlName(table), tables)).toBe(table)
    expect(tableNamed(table.path, tables)).toBe(table)
  }
  expect(tableNamed('Merchant', tables).path).toBe('aggregations/merchant')
  expect(tableNamed('quarantine', tables).path).toBe('silver/quarantine')
})

test('a name that several tables have, or none, is refused with those that may be meant', () => {
  expect(() => tableNamed('transactions', tables)).toThrow(
    'may be bronze.transactions or silver.transactions or gold.transactions',
  )
  expect(() => tableNamed('merchants', tables)).toThrow(
    /no table "merchants"; did you mean aggregations\.merchant\?/,
  )
  expect(() => tableNamed('x', tables)).toThrow(/no table "x"; the tables are .*aggregations\.merchant/)
})
