// The five tables of windows: which windows a row is in, what a group is, and the columns of a group.
import { decimalText, doubleOf } from '../../src/verify/money.ts'
import { amountCategory, isHighValue, isWeekend } from '../../src/verify/silver-cells.ts'
import type { Cell, Row, TableName } from './rows.ts'
import type { SilverTransaction } from './silver.ts'
import { floorTo, hour, minute } from './time.ts'

export type WindowTableName = Exclude<
  Extract<TableName, 'gold/transactions' | `aggregations/${string}`>,
  'aggregations/sessions'
>

export type WindowTable = {
  readonly size: bigint
  readonly slide: bigint
  readonly group: (row: SilverTransaction) => Row
  readonly columns: (rows: readonly SilverTransaction[]) => Row
}

export const windowTables: { readonly [name in WindowTableName]: WindowTable } = {
  'gold/transactions': {
    size: 10n * minute,
    slide: 10n * minute,
    group: (row) => ({ merchant: row.merchant, payment_method: row.paymentMethod, country: row.country }),
    columns: goldColumns,
  },
  'aggregations/merchant': {
    size: 15n * minute,
    slide: 5n * minute,
    group: (row) => ({ merchant: row.merchant }),
    columns: merchantColumns,
  },
  'aggregations/user': {
    size: hour,
    slide: hour,
    group: (row) => ({ user_id: row.userId, country: row.country }),
    columns: userColumns,
  },
  'aggregations/country': {
    size: 30n * minute,
    slide: 30n * minute,
    group: (row) => ({ country: row.country, city: row.city }),
    columns: countryColumns,
  },
  'aggregations/hourly_summary': { size: hour, slide: hour, group: () => ({}), columns: hourlyColumns },
}

/** The starts of all windows that contain an instant. */
export function windowStarts(table: WindowTable, instant: bigint): bigint[] {
  const starts: bigint[] = []
  const last = floorTo(instant, table.slide)
  for (let start = last; start + table.size > instant; start -= table.slide) starts.push(start)
  return starts
}

/** Every group of every window with rows; the columns between the window and aggregation_time. */
export function groupsOf(table: WindowTable, rows: readonly SilverTransaction[]) {
  const groups = new Map<string, { start: bigint; end: bigint; group: Row; rows: SilverTransaction[] }>()
  for (const row of rows) {
    for (const start of windowStarts(table, row.eventTime)) {
      const group = table.group(row)
      const key = JSON.stringify([start, ...Object.values(group)], (_, cell) =>
        typeof cell === 'bigint' ? `${cell}` : cell,
      )
      const found = groups.get(key)
      if (found === undefined) groups.set(key, { start, end: start + table.size, group, rows: [row] })
      else found.rows.push(row)
    }
  }
  return [...groups.values()]
}

type Rows = readonly SilverTransaction[]

function goldColumns(rows: Rows): Row {
  return {
    transaction_count: count(rows),
    total_amount: decimalText(sum(rows)),
    avg_amount: average(rows),
    max_amount: decimalText(largest(rows)),
    min_amount: decimalText(smallest(rows)),
    fraud_count: count(rows, isFraud),
    high_value_count: count(rows, isHighValue),
    unique_users: distinct(rows, (row) => row.userId),
    unique_devices: distinct(rows, (row) => row.deviceId),
    fraud_rate: percentage(rows, isFraud),
  }
}

function merchantColumns(rows: Rows): Row {
  const devices = distinct(rows, (row) => row.deviceId)
  const customers = distinct(rows, (row) => row.userId)
  return {
    total_transactions: count(rows),
    total_revenue: decimalText(sum(rows)),
    avg_transaction_value: average(rows),
    max_transaction: decimalText(largest(rows)),
    min_transaction: decimalText(smallest(rows)),
    fraud_count: count(rows, isFraud),
    unique_customers: customers,
    unique_devices: devices,
    high_value_count: count(rows, isHighValue),
    fraud_rate: percentage(rows, isFraud),
    high_value_rate: percentage(rows, isHighValue),
    avg_devices_per_user: ratio(Number(devices), customers),
  }
}

function userColumns(rows: Rows): Row {
  const devices = distinct(rows, (row) => row.deviceId)
  return {
    transaction_count: count(rows),
    total_spent: decimalText(sum(rows)),
    avg_amount_per_transaction: average(rows),
    unique_merchants: distinct(rows, (row) => row.merchant),
    unique_payment_methods: distinct(rows, (row) => row.paymentMethod),
    unique_devices_used: devices,
    largest_transaction: decimalText(largest(rows)),
    fraud_transactions: count(rows, isFraud),
    weekend_transactions: count(rows, isWeekend),
    is_suspicious: devices > 3n || count(rows, isFraud) > 0n || rows.length > 20,
    weekend_ratio: ratio(Number(count(rows, isWeekend)), count(rows)),
  }
}

function countryColumns(rows: Rows): Row {
  const isEnterprise = (row: SilverTransaction) => amountCategory(row) === 'enterprise'
  const users = distinct(rows, (row) => row.userId)
  return {
    transaction_volume: count(rows),
    total_value: decimalText(sum(rows)),
    avg_transaction_size: average(rows),
    active_users: users,
    active_merchants: distinct(rows, (row) => row.merchant),
    fraud_count: count(rows, isFraud),
    enterprise_transactions: count(rows, isEnterprise),
    fraud_percentage: percentage(rows, isFraud),
    enterprise_percentage: percentage(rows, isEnterprise),
    avg_value_per_user: ratio(doubleOf(sum(rows)), users),
  }
}

function hourlyColumns(rows: Rows): Row {
  const paidBy = (method: string) => (row: SilverTransaction) => row.paymentMethod === method
  const methods = ['credit_card', 'debit_card', 'crypto', 'bank_transfer']
  const users = distinct(rows, (row) => row.userId)
  return {
    total_transactions: count(rows),
    total_volume: decimalText(sum(rows)),
    avg_transaction_value: average(rows),
    total_users: users,
    total_merchants: distinct(rows, (row) => row.merchant),
    total_devices: distinct(rows, (row) => row.deviceId),
    countries_active: distinct(rows, (row) => row.country),
    fraud_transactions: count(rows, isFraud),
    high_value_transactions: count(rows, isHighValue),
    credit_card_tx: count(rows, paidBy('credit_card')),
    debit_card_tx: count(rows, paidBy('debit_card')),
    crypto_tx: count(rows, paidBy('crypto')),
    bank_transfer_tx: count(rows, paidBy('bank_transfer')),
    other_tx: count(rows, (row) => row.paymentMethod === null || !methods.includes(row.paymentMethod)),
    platform_fraud_rate: percentage(rows, isFraud),
    high_value_rate: percentage(rows, isHighValue),
    avg_transactions_per_user: ratio(rows.length, users),
    credit_card_percentage: percentage(rows, paidBy('credit_card')),
  }
}

function isFraud(row: SilverTransaction): boolean {
  return row.isFraud
}

function count(rows: Rows, condition: (row: SilverTransaction) => boolean = () => true): bigint {
  return BigInt(rows.filter(condition).length)
}

function sum(rows: Rows): bigint {
  return rows.reduce((total, row) => total + row.cents, 0n)
}

function largest(rows: Rows): bigint {
  return ascending(rows).at(-1)!
}

function smallest(rows: Rows): bigint {
  return ascending(rows)[0]!
}

function ascending(rows: Rows): bigint[] {
  return rows.map((row) => row.cents).sort((a, b) => Number(a - b))
}

function distinct(rows: Rows, value: (row: SilverTransaction) => Cell): bigint {
  return BigInt(new Set(rows.map(value).filter((cell) => cell !== null)).size)
}

function average(rows: Rows): number {
  return doubleOf(sum(rows)) / rows.length
}

function percentage(rows: Rows, condition: (row: SilverTransaction) => boolean): number {
  return (100.0 * Number(count(rows, condition))) / rows.length
}

function ratio(dividend: number, divisor: bigint): number | null {
  return divisor === 0n ? null : dividend / Number(divisor)
}
