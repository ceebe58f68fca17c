// Records of every kind that a topic can hold: random bytes, random JSON, odd values, valid rows and what is
// left of them after some damage; with keys, headers and timestamps to match.
import fc from 'fast-check'
import type { RawRecord } from '../oracle/rows.ts'
import { oddValue } from './odd-values.ts'

const bytes = (lengthMax: number) => fc.uint8Array({ maxLength: lengthMax }).map((all) => Buffer.from(all))

const randomJson = fc
  .tuple(fc.json({ maxDepth: 4 }), fc.constantFrom('', ' ', '\n', '\t'))
  .map(([text, space]) => Buffer.from(space + text + space))

/** An object with the names of the contract and any values. */
const anyObject = fc
  .dictionary(
    fc.constantFrom(
      ...[
        'transaction_id',
        'user_id',
        'amount',
        'timestamp',
        'is_fraud',
        'merchant',
        'location',
        'device_id',
      ],
      ...['payment_method', 'Amount', 'amount ', '', '__proto__', 'constructor'],
    ),
    fc.jsonValue({ maxDepth: 2 }),
  )
  .map((one) => Buffer.from(JSON.stringify(one)))

const plainRow = fc
  .record({
    transaction_id: fc.uuid(),
    user_id: fc.integer({ min: 1, max: 500 }),
    amount: fc.double({ min: 0.01, max: 9_000, noNaN: true }),
    merchant: fc.constantFrom('Corner Shop', 'Café', 'Boutique "L\'Été"', null),
    payment_method: fc.constantFrom('credit_card', 'debit_card', 'crypto', 'bank_transfer', 'cash'),
    location: fc.constantFrom('Paris, France', 'Lagos, Nigeria', 'Oslo', null),
    device_id: fc.option(fc.integer({ min: 1, max: 50 }).map((number) => `d${number}`)),
    timestamp: fc
      .integer({ min: Date.UTC(2026, 9, 31), max: Date.UTC(2026, 9, 31, 2) })
      .map((ms) => new Date(ms).toISOString()),
    is_fraud: fc.boolean(),
  })
  .map((row) => Buffer.from(JSON.stringify(row)))

type Damage = (row: Buffer) => Buffer
const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.tuple(fc.nat(400), fc.nat(7)).map(([at, bit]): Damage => {
    return (row) => row.map((byte, index) => (index === at % row.length ? byte ^ (1 << bit) : byte)) as Buffer
  }),
  fc.tuple(fc.nat(400), bytes(3)).map(([at, inserted]): Damage => {
    return (row) => Buffer.concat([row.subarray(0, at), inserted, row.subarray(at)])
  }),
  fc.nat(400).map(
    (at): Damage =>
      (row) =>
        row.subarray(0, at % row.length),
  ),
  fc.tuple(fc.nat(400), fc.nat(40)).map(([at, count]): Damage => {
    return (row) => Buffer.concat([row.subarray(0, at), row.subarray(at + count)])
  }),
  fc.tuple(fc.nat(200), fc.nat(200)).map(([a, b]): Damage => {
    return (row) => Buffer.concat([row.subarray(0, a), row.subarray(b)])
  }),
  fc.constantFrom<Damage>(
    (row) => Buffer.concat([row, row]),
    (row) => Buffer.from(row.toString().replaceAll('"', "'")),
    (row) => Buffer.from(row.toString(), 'utf16le'),
    (row) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), row]),
    (row) => Buffer.from(row.toString().replace('}', ',"amount":1}')),
    (row) => Buffer.from(row.toString().replace(/"amount":([^,]*)/, '"amount":"$1"')),
    (row) => Buffer.from(`[${row}]`),
    (row) => Buffer.from(row.toString().replace('{', `{"x":${'['.repeat(90)}${']'.repeat(90)},`)),
    (row) => Buffer.from(row.toString().replace('{', `{"x":"${'y'.repeat(70_000)}",`)),
  ),
)

/** The value of one record; null is a tombstone. */
export const fuzzValue: fc.Arbitrary<Buffer | null> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 4, arbitrary: bytes(60) },
  { weight: 4, arbitrary: randomJson },
  { weight: 4, arbitrary: anyObject },
  { weight: 20, arbitrary: oddValue({ oneLine: false }) },
  { weight: 6, arbitrary: plainRow },
  { weight: 12, arbitrary: fc.tuple(plainRow, damage).map(([row, how]) => how(row)) },
)

const header = fc.record({ key: fc.string({ maxLength: 4 }), value: fc.option(bytes(4)) })

/** All but where the record stands in its topic. */
export const fuzzRecord: fc.Arbitrary<Omit<RawRecord, 'topic' | 'partition' | 'offset'>> = fc.record({
  value: fuzzValue,
  key: fc.option(bytes(5)),
  headers: fc.oneof(
    { weight: 9, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.array(header, { maxLength: 3 }) },
  ),
  timestampMs: fc.oneof(
    { weight: 8, arbitrary: fc.constant(Date.UTC(2026, 10, 1)) },
    { weight: 1, arbitrary: fc.constant(null) },
    {
      weight: 1,
      // Without a timestamp, of clocks that are wrong, in nanoseconds, and beyond any time.
      arbitrary: fc.constantFrom(
        ...[0, -1, 1, -5, Date.UTC(2026, 9, 31), Date.UTC(9999, 0), -62_135_596_800_000],
        ...[Date.UTC(2026, 10, 1) * 1_000_000, 2 ** 62, -(2 ** 62)],
      ),
    },
  ),
})
