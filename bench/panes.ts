// What do windows in panes cost: processor time of a row that is added and of a group that is read off, and
// bytes of all panes when an hour of rows is in them. Run: npx node bench/panes.ts [rows per second] [users]
// [rows per batch]

import { newColumn, type Rows } from '../src/columns/column.ts'
import { WindowPanes } from '../src/engines/embedded/window-panes.ts'
import { silverRecent } from '../src/lakehouse/2-silver/transactions.ts'
import { standardLakehouse } from '../src/lakehouse/index.ts'
import { windowOf } from '../src/plan/index.ts'

const { tables } = standardLakehouse

const rowsPerSecond = Number(process.argv[2] ?? 100)
const users = Number(process.argv[3] ?? 100_000)
const rowsPerBatch = Number(process.argv[4] ?? 500)
const startMicros = Date.UTC(2026, 9, 1) * 1000
const hourMicros = 3_600_000_000
const { schema } = silverRecent

let state = 1
/** From 0 to before `below`; the same ones in each run. */
function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}

const countries = [
  'Germany',
  'France',
  'Brazil',
  'India',
  'Japan',
  'Kenya',
  'Nigeria',
  'Peru',
  'Spain',
  'USA',
]
const methods = ['credit_card', 'debit_card', 'crypto', 'bank_transfer', 'paypal']

function batchFrom(first: number, count: number): Rows {
  const columns = Object.fromEntries(
    Object.entries(schema).map(([name, type]) => [name, newColumn(type, count)]),
  )
  for (let row = first; row < first + count; row++) {
    const user = random(users)
    const country = countries[user % countries.length]!
    const amount = random(200_000)
    const values: Record<keyof typeof schema, unknown> = {
      user_id: user,
      amount,
      amount_category: amount > 100_000 ? 'large' : 'small',
      is_high_value: amount > 100_000,
      merchant: `merchant ${random(200)}`,
      payment_method: methods[random(methods.length)],
      city: `${country} city ${user % 3}`,
      country,
      device_id: `device ${user} ${random(3)}`,
      is_fraud: random(50) === 0,
      is_weekend: false,
      event_time: startMicros + Math.floor((row * 1_000_000) / rowsPerSecond) - random(5_000_000) + 5_000_000,
    }
    for (const [name, value] of Object.entries(values)) columns[name]!.push(value as never)
  }
  return { schema, columns, rowCount: count }
}

function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

const panes = new WindowPanes(
  { hash: 'bench', tables },
  { lastRemoval: null },
  null,
  Number.POSITIVE_INFINITY,
)
const rowCount = rowsPerSecond * 3600
let [addingMs, addedCount] = [0, 0]
for (let first = 0; first < rowCount; first += rowsPerBatch) {
  const batch = batchFrom(first, Math.min(rowsPerBatch, rowCount - first))
  const fromMs = processorMs()
  await panes.add('bench', batch, BigInt(startMicros + hourMicros))
  addingMs += processorMs() - fromMs
  addedCount += batch.rowCount
}
console.log(
  `${rowsPerSecond} rows/s of ${users} users in batches of ${rowsPerBatch}: ${((addingMs * 1000) / addedCount).toFixed(2)} µs a row, ` +
    `${Math.round(panes.bytes / 2 ** 20)} MiB after an hour, ${Math.round(panes.bytes / rowCount)} bytes a row`,
)
for (const { path, rows } of tables) {
  const window = windowOf(rows.node)
  if (window === null) continue
  const closing = {
    window,
    closedToMicros: BigInt(startMicros),
    upToMicros: BigInt(startMicros + hourMicros),
  }
  const fromMs = processorMs()
  const closed = await panes.closed('bench', path, closing, { processing_time: 0n })
  const ms = processorMs() - fromMs
  console.log(
    `${path}: ${closed?.rowCount} rows, ${((ms * 1000) / (closed?.rowCount ?? 1)).toFixed(2)} µs a row`,
  )
}
