// Checked by the compiler alone: what must not compile.
import { and, bool, equals, greaterThan, hourOfDay, int, money, text } from '../../src/expr/index.ts'
import { defineTable, input, project } from '../../src/plan/index.ts'

const rows = input('rows', { amount: 'decimal(18,2)', merchant: 'string', day: 'date' })

project(rows, (row) => ({ merchant: row.merchant, is_high: greaterThan(row.amount, money('1000')) }))

// @ts-expect-error There is no such column.
project(rows, (row) => ({ merchant: row.marchant }))

// @ts-expect-error Money is not compared with an int.
greaterThan(money('1'), int(1))

// @ts-expect-error A condition is a boolean.
and(bool(true), text('true'))

// @ts-expect-error A date has no hour.
project(rows, (row) => ({ hour: hourOfDay(row.day) }))

// @ts-expect-error Text is not equal to a number, whatever the number.
equals(text('1'), int(1))

const shape = { path: 'silver/x', meaning: '', stream: 'kafka-to-delta', watermark: null, rows } as const

defineTable({ ...shape, partitionBy: 'day' })

// @ts-expect-error The partition column is one of the table's.
defineTable({ ...shape, partitionBy: 'week' })
