import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type AddFile, DeltaTable, type DeltaType, prunedFiles } from '../../../src/delta/index.ts'
import { parseExact } from '../../../src/delta/json.ts'
import { parseStats, textLowerBound, textUpperBound } from '../../../src/delta/stats.ts'
import { column, Workshop } from './workshop.ts'

// A failing run prints its seed; SEED runs it again.
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000_000)
const runs = { seed, numRuns: 200 }
const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
const anyText = (maxLength: number) =>
  fc.oneof(
    fc.string({ unit: 'binary', maxLength }),
    fc.string({
      unit: fc.constantFrom('\u{10ffff}', '\u007f', 'a', '😀', '\uffff'),
      minLength: 30,
      maxLength: 80,
    }),
  )

describe('cut texts', () => {
  test('a lower bound sorts before its text, an upper bound after it, and neither halves a pair', () => {
    fc.assert(
      fc.property(anyText(100), (text) => {
        const [lower, upper] = [textLowerBound(text), textUpperBound(text)]
        expect(byBytes(lower, text)).toBeLessThanOrEqual(0)
        expect([...lower].length).toBeLessThanOrEqual(32)
        expect(lower.isWellFormed()).toBe(true)
        if (upper === null) return
        expect(byBytes(upper, text)).toBeGreaterThanOrEqual(0)
        expect([...upper].length).toBeLessThanOrEqual(65)
        expect(upper.isWellFormed()).toBe(true)
      }),
      runs,
    )
  })

  test.each([
    ['a'.repeat(32), 'a'.repeat(32)],
    ['a'.repeat(33), `${'a'.repeat(32)}\u007f`],
    [`${'a'.repeat(32)}é`, `${'a'.repeat(32)}\u{10ffff}`],
    [`${'a'.repeat(32)}\u{10ffff}b`, `${'a'.repeat(32)}\u{10ffff}\u007f`],
    ['\u{10ffff}'.repeat(70), null],
  ])('the upper bound of %j is %j', (text, bound) => {
    expect(textUpperBound(text)).toBe(bound)
  })
})

describe('numbers in JSON', () => {
  test('no digit is lost', () => {
    const text = '{"a":9223372036854775807,"b":12345678901234567890.0123456789,"c":1.5,"d":-0.10,"e":1e300}'
    expect(parseExact(text)).toEqual({
      a: 9223372036854775807n,
      b: '12345678901234567890.0123456789',
      c: 1.5,
      d: -0.1,
      e: 1e300,
    })
  })

  test('statistics that are not to be understood are none', () => {
    for (const json of ['', '[]', '{"numRecords":"x"}', 'null', '{"minValues":{}}'])
      expect(parseStats(json)).toBeNull()
  })
})

describe('statistics of files', () => {
  let workshop: Workshop
  beforeEach(async () => {
    workshop = await Workshop.open()
  })
  afterEach(() => workshop.close())

  async function statsOf(type: DeltaType, values: string): Promise<AddFile> {
    const table = await DeltaTable.createOrEvolve(workshop.path(`t${Math.random()}`), {
      fields: [column('v', type)],
      partitionColumns: [],
    })
    const { adds } = await table.stage(workshop.connection, `SELECT v FROM (VALUES ${values}) t(v)`)
    expect(adds).toHaveLength(1)
    return adds[0]!
  }

  test.each<[DeltaType, string, unknown, unknown, number]>([
    ['long', '(9223372036854775807), (-9223372036854775808)', -9223372036854775808n, 9223372036854775807n, 0],
    ['integer', '(NULL), (3)', 3, 3, 1],
    [
      'decimal(38,10)',
      "('12345678901234567890.0123456789'::DECIMAL(38,10)), (-0.5)",
      -0.5,
      '12345678901234567890.0123456789',
      0,
    ],
    [
      'timestamp',
      "(TIMESTAMPTZ '1969-12-31 23:59:59.999999+00')",
      '1969-12-31T23:59:59.999Z',
      '1970-01-01T00:00:00.000Z',
      0,
    ],
    [
      'timestamp',
      "(TIMESTAMP '2024-01-01 00:00:00.123')",
      '2024-01-01T00:00:00.123Z',
      '2024-01-01T00:00:00.123Z',
      0,
    ],
    ['timestamp', "(TIMESTAMPTZ '9999-12-31 23:59:59.999999+00')", '9999-12-31T23:59:59.999Z', undefined, 0],
    ['timestamp', "('infinity'), ('-infinity')", undefined, undefined, 0],
    ['date', "(DATE '0001-01-01'), (DATE '9999-12-31')", '0001-01-01', '9999-12-31', 0],
    ['double', "(1.5::DOUBLE), ('NaN'::DOUBLE), (2::DOUBLE)", undefined, undefined, 0],
    ['double', "('-inf'::DOUBLE), (2::DOUBLE)", undefined, 2, 0],
    ['double', '(0.0), (-0.0)', -0, 0, 0],
    ['float', '(0.1::FLOAT)', Math.fround(0.1), Math.fround(0.1), 0],
    ['boolean', '(true), (false)', undefined, undefined, 0],
    ['string', "(''), (chr(0) || 'x'), (NULL)", '', '\0x', 1],
    ['string', "('a\nb\"c''d'), ('b')", 'a\nb"c\'d', 'b', 0],
    ['binary', "('\\x00'::BLOB), (NULL)", undefined, undefined, 1],
    ['integer', '(NULL)', undefined, undefined, 1],
  ])('%s %s', async (type, values, min, max, nulls) => {
    const { stats } = await statsOf(type, values)
    if (type !== 'boolean') expect([stats?.minValues.v, stats?.maxValues.v]).toEqual([min, max])
    expect(stats?.nullCount.v).toBe(nulls)
    expect(stats?.numRecords).toBe(BigInt(values.split('), (').length))
  })

  test('NaN in any row group leaves the column without bounds, and the null count stays', async () => {
    const table = await DeltaTable.createOrEvolve(workshop.path('t'), {
      fields: [
        column('v', 'double'),
        column('s', { type: 'struct', fields: [column('f"x', 'float')] }),
        column('i', 'long'),
      ],
      partitionColumns: [],
    })
    for (const at of [0, 130_000, 259_999]) {
      const query = `SELECT CASE WHEN i = ${at} THEN 'NaN'::DOUBLE WHEN i > 250000 THEN NULL ELSE i END AS v,
        {'f"x': CASE WHEN i = ${at} THEN 'NaN'::FLOAT ELSE i END} AS s, i FROM range(260000) t(i)`
      const { stats } = (await table.stage(workshop.connection, query)).adds[0]!
      expect(stats?.minValues).toEqual({ i: 0 })
      expect(stats?.maxValues).toEqual({ i: 259_999 })
      expect(stats?.nullCount).toMatchObject({ s: { 'f"x': 0 }, i: 0 })
      expect([9_999, 9_998]).toContain(stats?.nullCount.v)
    }
    const { stats } = (await table.stage(workshop.connection, "SELECT 2.5 AS v, {'f\"x': 1.5} AS s")).adds[0]!
    expect(stats?.maxValues).toEqual({ v: 2.5, s: { 'f"x': 1.5 } })
  })

  test('columns of a struct have their own; lists and maps have none', async () => {
    const table = await DeltaTable.createOrEvolve(workshop.path('t'), {
      fields: [
        column('s', {
          type: 'struct',
          fields: [column('a.b', 'long'), column('c"d', { type: 'struct', fields: [column('e', 'string')] })],
        }),
        column('l', { type: 'array', elementType: 'long', containsNull: true }),
        column('m', { type: 'map', keyType: 'string', valueType: 'long', valueContainsNull: true }),
      ],
      partitionColumns: [],
    })
    const query = `SELECT {'a.b': 1, 'c"d': {'e': 'x'}} AS s, [1] AS l, map {'k': 1} AS m
      UNION ALL SELECT NULL, NULL, NULL`
    const { stats } = (await table.stage(workshop.connection, query)).adds[0]!
    const bounds = { s: { 'a.b': 1, 'c"d': { e: 'x' } } }
    expect(stats).toEqual({
      numRecords: 2n,
      minValues: bounds,
      maxValues: bounds,
      nullCount: { s: { 'a.b': 1, 'c"d': { e: 1 } } },
    })
  })

  test('texts of 100 kB in some row groups only still bound every row', async () => {
    const table = await DeltaTable.createOrEvolve(workshop.path('t'), {
      fields: [column('v', 'string')],
      partitionColumns: [],
    })
    for (const [unit, middle] of [
      ['z', 'm'],
      ['😀', 'é'],
      ['\u{10ffff}', 'a'],
    ]) {
      const query = `SELECT CASE WHEN i = 130000 THEN repeat('${unit}', 25000) ELSE '${middle}' || i END AS v
        FROM range(260000) t(i)`
      const { stats } = (await table.stage(workshop.connection, query)).adds[0]!
      const [min, max] = [stats?.minValues.v, stats?.maxValues.v]
      expect(min === undefined || byBytes(String(min), `${middle}0`) <= 0).toBe(true)
      expect(max === undefined || byBytes(String(max), unit!.repeat(25000)) >= 0).toBe(true)
    }
  })

  const literal = (text: string) => `'${text.replaceAll("'", "''").replaceAll('\0', "' || chr(0) || '")}'`
  const wellFormed = anyText(60).filter((text) => text.isWellFormed())
  const instants = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n })
  const cases: [DeltaType, fc.Arbitrary<{ sql: string; wanted: string | number | bigint }>][] = [
    ['string', wellFormed.map((text) => ({ sql: literal(text), wanted: text }))],
    [
      'long',
      fc
        .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
        .map((n) => ({ sql: `'${n}'::BIGINT`, wanted: n })),
    ],
    [
      'double',
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => ({ sql: `'${n}'::DOUBLE`, wanted: n })),
    ],
    [
      'float',
      fc.float({ noNaN: true, noDefaultInfinity: true }).map((n) => ({ sql: `'${n}'::FLOAT`, wanted: n })),
    ],
    [
      'decimal(38,10)',
      fc.bigInt({ min: -(10n ** 37n), max: 10n ** 37n }).map((n) => {
        const digits = (n < 0n ? -n : n).toString().padStart(11, '0')
        const text = `${n < 0n ? '-' : ''}${digits.slice(0, -10)}.${digits.slice(-10)}`
        return { sql: `'${text}'::DECIMAL(38,10)`, wanted: text }
      }),
    ],
    [
      'timestamp',
      instants.map((micros) => {
        const milliseconds = micros / 1000n - (micros % 1000n < 0n ? 1n : 0n)
        const rest = (micros - milliseconds * 1000n).toString().padStart(3, '0')
        const text = new Date(Number(milliseconds)).toISOString().replace('Z', `${rest}Z`)
        return { sql: `make_timestamptz(${micros})`, wanted: text }
      }),
    ],
  ]

  test.each(cases)('random values of %s: no file is skipped that holds the value', async (type, values) => {
    const table = await DeltaTable.createOrEvolve(workshop.path('t'), {
      fields: [column('v', type)],
      partitionColumns: [],
    })
    const samples = fc.sample(values, { seed, numRuns: 60 })
    const groups = Array.from({ length: 12 }, (_, index) => samples.slice(index * 5, index * 5 + 5))
    for (const [index, group] of groups.entries()) {
      const query = group.map(({ sql }) => `SELECT ${sql} AS v`).join(' UNION ALL ')
      await table.append(workshop.connection, query, { appId: 'a', version: BigInt(index) })
    }
    const snapshot = await table.snapshot()
    const files = [...snapshot.files.values()]
    for (const [index, group] of groups.entries()) {
      for (const { wanted } of group) {
        const kept = prunedFiles(snapshot, [{ column: 'v', min: wanted, max: wanted }])
        expect(kept, `seed ${seed}, ${String(wanted)}`).toContain(files[index])
      }
    }
  })
})
