// Random records for examples/payments: disorder, repeats with the same and with other content, late rows,
// values at the edges of what is valid, and what is none.
import fc from 'fast-check'

export type PaymentLine = {
  /** One line, without its line feed. */
  readonly value: Buffer
  /** When it is sent. */
  readonly nowMs: number
  readonly user: string
}

/** 2026-10-30T20:30Z, a Friday: an hour, a day and a weekend turn within the data. */
const startMs = Date.UTC(2026, 9, 30, 20, 30)
/** Before the clock of any machine, which judges what is in the future: 2024-03-08T20:30Z, a Friday. */
export const topicStartMs = Date.UTC(2024, 2, 8, 20, 30)

/** JSON text by field; an absent one has null. */
type Written = Readonly<Record<string, string | null>>
type Shape = {
  readonly step: number
  readonly behind: number
  readonly fields: Written
  readonly odd: readonly (readonly [field: string, json: string | null])[]
  readonly form: string
}

const text = (...values: string[]): fc.Arbitrary<string | null> =>
  fc.constantFrom(...values.map((value) => JSON.stringify(value)))
const orNone = (values: fc.Arbitrary<string | null>): fc.Arbitrary<string | null> =>
  fc.oneof({ weight: 7, arbitrary: values }, { weight: 1, arbitrary: fc.constantFrom(null, 'null', '""') })

const minor = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 300_000 }).map(String) },
  { weight: 2, arbitrary: fc.constantFrom('500000', '500001', '200000', '200001', '100000', '100001') },
  { weight: 1, arbitrary: fc.constantFrom('1', '999', '1000', '12500.0', '1.25e4', '99999999999999') },
)

const fields: fc.Arbitrary<Written> = fc.record({
  id: fc.oneof(
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 4 }).map((id) => `"p-${id}"`) },
    { weight: 5, arbitrary: fc.integer({ min: 0, max: 1_000_000 }).map((id) => `"p-${id}"`) },
  ),
  user: text('c-1', 'c-2', ' c-3\t', '\u00e9l\u00e9onore', "o'brien; --", '42'),
  minor,
  merchant: orNone(text('Grocer', 'Kiosk', '<b>Shop</b>')),
  risk: orNone(fc.constantFrom('0', '0.05', '0.805', '0.815', '0.8', '0.795', '0.9', '1', '-0.0', '8e-1')),
  method: orNone(text('card', 'wallet')),
  city: orNone(text('Lyon', 'Oslo', 'Washington, D.C.')),
  country: orNone(text('France', 'France', 'Norway', 'Nigeria')),
  device: orNone(text('d-1', 'd-1', 'd-2', 'd-3')),
  channel: orNone(text('app', 'web', 'till', 'atm')),
  bin: orNone(text('411111', '520000', '520000', '999901')),
})

/** What a field may be instead; most of it makes a record one that is refused. */
const oddValues: Readonly<Record<string, readonly (string | null)[]>> = {
  id: [null, '""', '" \\n"', '7', '{"a": 1}', '"\\ud83d\\ude00"', '"\u00a0"'],
  user: [null, 'null', '5', '["c-1"]', '" "'],
  minor: [
    ...[null, 'null', '"1250"', '12.5', 'true', '0', '-0', '-1', '1e400', '100000000000000'],
    ...['999999999999999999', '1000000000000000000', '9223372036854775807', '9223372036854775808', '1e15'],
  ],
  merchant: ['5', '{"name": "x", "name": "y"}', '"\\u0000"'],
  risk: ['"0.5"', '1e400', '[0.5]', '1e-400', '123456789012345678901234567890'],
  method: ['false', '["card"]'],
  city: ['1'],
  country: ['{}', '"France "'],
  device: ['0', '"\ufeffd-1"'],
  channel: ['"phone"', '"App"', '5'],
  bin: ['411111', '"4\\u00311111"'],
}

const odd = fc
  .constantFrom(...Object.keys(oddValues))
  .chain((field) =>
    fc.constantFrom(...oddValues[field]!.map((json): [string, string | null] => [field, json])),
  )

/** How the document is written around the fields. */
const forms = [
  ...['customer twice', 'ts twice', 'name twice beside the way', 'customer is a list', 'broken', 'bytes'],
  ...['a number', 'two documents', 'reversed', 'spaces', 'escaped name'],
]

const shape: fc.Arbitrary<Shape> = fc.record({
  step: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(0, 0, 1, 1, 2) },
    { weight: 1, arbitrary: fc.integer({ min: 5, max: 45 }) },
  ),
  behind: fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: -1, max: 8 }) },
    { weight: 1, arbitrary: fc.integer({ min: 9, max: 12 }) },
    { weight: 1, arbitrary: fc.integer({ min: 20, max: 130 }) },
  ),
  fields,
  odd: fc.oneof(
    { weight: 5, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(odd, { minLength: 1, maxLength: 2 }) },
  ),
  form: fc.oneof(
    { weight: 8, arbitrary: fc.constant('plain') },
    { weight: 1, arbitrary: fc.constantFrom(...forms) },
  ),
})

/** Instants at the edges, by the time of the data. */
const oddTimes: fc.Arbitrary<(nowMs: number) => string | null> = fc.constantFrom(
  ...[
    (nowMs: number) => `${nowMs + 3_600_000}`,
    (nowMs: number) => `${nowMs + 3_600_001}`,
    (nowMs: number) => `${nowMs}.0`,
    (nowMs: number) => `${nowMs}.5`,
    (nowMs: number) => `"${nowMs}"`,
  ],
  ...['null', '-62135596800000', '-62135596800001', '253402300799999', '253402300800000', '0', '-1'].map(
    (json) => () => json,
  ),
  ...['9223372036854775807', '1e300', 'true'].map((json) => () => json),
  () => null,
)

/** Repeats of a line before it: as it is, or with one field that is another. */
const repeat = oneIn(
  5,
  fc.record({
    back: fc.integer({ min: 1, max: 12 }),
    changed: fc.option(fc.integer({ min: 1, max: 9_999 })),
  }),
)

/** null but for one in so many. */
function oneIn<T>(count: number, values: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.oneof({ weight: count - 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: values })
}

/** `stepMs`: by how much one step of time moves on. */
export function payments(
  count: number,
  stepMs = 60_000,
  fromMs = startMs,
): fc.Arbitrary<readonly PaymentLine[]> {
  const drawn = fc.tuple(shape, oneIn(14, oddTimes), repeat)
  return fc.array(drawn, { minLength: count, maxLength: count }).map((all) => {
    const lines: (PaymentLine & { readonly shape: Shape; readonly ts: string | null })[] = []
    let nowMs = fromMs
    for (const [one, oddTime, repeated] of all) {
      nowMs += one.step * stepMs
      const former = repeated === null ? undefined : lines.at(-repeated.back)
      const ts = oddTime === null ? `${nowMs - one.behind * stepMs + (one.behind % 7)}` : oddTime(nowMs)
      const changed =
        repeated?.changed === null || former === undefined
          ? former?.shape
          : { ...former.shape, fields: { ...former.shape.fields, minor: `${repeated?.changed}` } }
      const kept = { shape: changed ?? one, ts: former?.ts ?? ts, nowMs }
      lines.push({ ...kept, value: written(kept.shape, kept.ts), user: kept.shape.fields.user ?? '' })
    }
    return lines
  })
}

function written({ fields: plain, odd: others, form }: Shape, ts: string | null): Buffer {
  const of: Written = { ...plain, ...Object.fromEntries(others) }
  const members: [name: string, json: string | null][] = [
    ['id', of.id!],
    [
      'customer',
      form === 'customer is a list' ? '[{"id": "c-1"}]' : object({ id: of.user!, tier: '"gold"' }),
    ],
    ['amt', object({ minor: of.minor!, currency: '"EUR"' })],
    ['ts', ts],
    ['shop', object({ name: of.merchant!, risk: of.risk! })],
    ['method', of.method!],
    ['addr', object({ city: of.city!, country: of.country! })],
    ['device', of.device!],
    ['channel', of.channel!],
    ['card', object({ bin: of.bin! })],
  ]
  const body = members.flatMap(([name, json]) => (json === null ? [] : [`${JSON.stringify(name)}: ${json}`]))
  switch (form) {
    case 'customer twice':
      return Buffer.from(`{${[...body, '"customer": {"id": "c-9"}'].join(', ')}}`)
    case 'ts twice':
      return Buffer.from(`{${[...body, '"t\\u0073": 1'].join(', ')}}`)
    case 'name twice beside the way':
      return Buffer.from(`{${[...body, '"beside": {"a": 1, "a": [{"b": 1, "b": 2}]}'].join(', ')}}`)
    case 'broken':
      return Buffer.from(`{${body.join(', ')}`)
    case 'bytes':
      return Buffer.concat([
        Buffer.from(`{${body.join(', ')}, "x": "`),
        Buffer.of(0xc3, 0x28),
        Buffer.from('"}'),
      ])
    case 'a number':
      return Buffer.from('1250')
    case 'two documents':
      return Buffer.from(`{${body.join(', ')}} {}`)
    case 'reversed':
      return Buffer.from(`{${body.toReversed().join(',')}}`)
    case 'spaces':
      return Buffer.from(` \t{ ${body.join(' ,\t')} }\r`)
    case 'escaped name':
      return Buffer.from(`{${body.join(', ').replace('"shop"', '"sh\\u006fp"')}}`)
    default:
      return Buffer.from(`{${body.join(', ')}}`)
  }
}

function object(members: Written): string {
  const present = Object.entries(members).filter(([, json]) => json !== null)
  return `{${present.map(([name, json]) => `"${name}": ${json}`).join(', ')}}`
}
