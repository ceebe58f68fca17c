// What it costs to read the nine fields of a transaction: the scanner against Buffer.toString, JSON.parse and
// properties, which judges less. Both take the same records in turns, on one core.
// Run: npx node bench/json-scan.ts [records]
import { sliceNumber } from '../src/json/decimal.ts'
import { JsonScanner } from '../src/json/scanner.ts'
import { type JsonSlice, jsonKind, sliceText } from '../src/json/slice.ts'
import { createGenerator } from '../src/produce/generator.ts'

const recordCount = Number(process.argv[2] ?? 50_000)
const roundCount = 21
const texts = ['transaction_id', 'merchant', 'payment_method', 'location', 'device_id', 'timestamp']
const fields = [...texts, 'user_id', 'amount', 'is_fraud']

const records = viewsOfChunk(recordCount)
const sink = { texts: new Array<string | null>(texts.length), userId: 0, amount: 0, isFraud: false }

const scanner = new JsonScanner(fields.map((field) => [field]))
const [user, amount, fraud] = scanner.fields.slice(texts.length) as [JsonSlice, JsonSlice, JsonSlice]

const ways: Readonly<Record<string, (record: Uint8Array) => void>> = {
  'toString, JSON.parse, fields': (record) => {
    const parsed = JSON.parse((record as Buffer).toString())
    for (let index = 0; index < texts.length; index++) {
      const value = parsed[texts[index]!]
      sink.texts[index] = typeof value === 'string' ? value : null
    }
    sink.userId = typeof parsed.user_id === 'number' ? parsed.user_id : 0
    sink.amount = typeof parsed.amount === 'number' ? Math.round(parsed.amount * 100) : 0
    sink.isFraud = parsed.is_fraud === true
  },
  'scan alone': (record) => {
    if (!scanner.scan(record)) throw new Error('malformed')
  },
  'scan, all texts made': (record) => {
    if (!scanner.scan(record)) throw new Error('malformed')
    for (let index = 0; index < texts.length; index++) {
      const slice = scanner.fields[index]!
      sink.texts[index] = slice.kind === jsonKind.string ? sliceText(slice) : null
    }
    readOthers()
  },
}

function readOthers(): void {
  sink.userId = user.kind === jsonKind.number ? sliceNumber(user) : 0
  sink.amount = amount.kind === jsonKind.number ? Math.round(sliceNumber(amount) * 100) : 0
  sink.isFraud = fraud.kind === jsonKind.true
}

const names = Object.keys(ways)
const micros = new Map(names.map((name) => [name, [] as number[]]))
for (let round = 0; round < roundCount; round++) {
  for (const name of names) {
    const way = ways[name]!
    const before = process.cpuUsage()
    for (const record of records) way(record)
    const { user, system } = process.cpuUsage(before)
    if (round > 0) micros.get(name)!.push((user + system) / recordCount)
  }
}
const bytes = records.reduce((sum, record) => sum + record.length, 0) / recordCount
console.log(`${recordCount} records of ${bytes.toFixed(1)} bytes, microseconds of CPU time a record (median)`)
const base = median(micros.get(names[0]!)!)
for (const name of names) {
  const value = median(micros.get(name)!)
  console.log(`${name}: ${value.toFixed(3)}, ${((100 * value) / base).toFixed(0)} %`)
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!
}

/** Records as a fetch brings them: views of one chunk. */
function viewsOfChunk(count: number): readonly Buffer[] {
  const generator = createGenerator({ seed: 7 })
  const values = Array.from(
    { length: count },
    (_, row) => generator.next(Date.UTC(2026, 9, 1) + row * 10).value,
  )
  const chunk = Buffer.concat(values)
  let start = 0
  return values.map(({ length }) => {
    start += length
    return chunk.subarray(start - length, start)
  })
}
