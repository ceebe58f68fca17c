import { describe, expect, test } from 'vitest'
import { LakehouseError } from '../../../src/errors/errors.ts'
import { equals, greaterThan, isOneOf, literal, not, text } from '../../../src/expr/index.ts'
import { silverOf, silverTransactions } from '../../../src/lakehouse/2-silver/transactions.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { tablesOfSilver } from '../../../src/lakehouse/tables-of-silver.ts'
import { storedText } from '../../../src/plan/index.ts'
import { type ExtraFields, type Fields, numberField, textField } from '../../../src/transactions/fields.ts'
import { mappingOf } from '../../../src/transactions/mapping-of.ts'
import { judge } from '../../../src/verify/judge.ts'
import { inJavascript } from '../../compare/mapped-silver.ts'
import type { MappedRecord } from '../../oracle/mapped-project.ts'

const seedRecord = { transaction_id: 't', user_id: 1, amount: 5, timestamp: '2026-10-01T10:00:00Z' }

function record(fields: object): MappedRecord {
  const value = Buffer.from(JSON.stringify({ ...seedRecord, ...fields }))
  return { value, kafkaMicros: null, reasons: [], cells: { transaction_id: null } }
}

describe('checks', () => {
  const silver = silverOf({
    extra: { currency: textField('currency'), risk: numberField('risk') },
    checks: [
      {
        reason: 'currency_unknown',
        when: (row) => not(isOneOf(row.currency, literal('array<string>', ['EUR', 'USD']))),
      },
      {
        reason: 'too_risky',
        when: (row) => greaterThan(row.risk, literal('double', 0.5)),
        meaning: 'too hot',
      },
      { reason: 'large_abroad', when: (row) => equals(row.amount_category, text('enterprise')) },
    ],
  })
  const reasonsOf = (fields: object) => inJavascript(silver, [record(fields)])[0]!.reasons

  test('refuse where they are true, and not where they are null', () => {
    expect(reasonsOf({ currency: 'EUR', risk: 0.4 })).toEqual([])
    expect(reasonsOf({ currency: 'EUR' })).toEqual([])
    expect(reasonsOf({ currency: 'EUR', risk: 0.6 })).toEqual(['too_risky'])
    expect(reasonsOf({ currency: 'GBP', risk: 0.6 })).toEqual(['currency_unknown', 'too_risky'])
  })

  test('see columns that follow from others', () => {
    expect(reasonsOf({ currency: 'EUR', amount: 10_000 })).toEqual(['large_abroad'])
  })

  test('stand behind what every project has, and not beside malformed', () => {
    expect(reasonsOf({ currency: 5, risk: 1, user_id: 'x' })).toEqual([
      'user_id_invalid',
      'currency_invalid',
      'currency_unknown',
      'too_risky',
    ])
    const malformed = { ...record({}), value: Buffer.from('{') }
    expect(inJavascript(silver, [malformed])[0]!.reasons).toEqual(['malformed'])
  })

  test('have meanings, in the order of the reasons', () => {
    const names = Object.keys(silver.reasonMeanings)
    expect(names.slice(-7)).toEqual([
      'currency_invalid',
      'risk_invalid',
      'currency_unknown',
      'too_risky',
      'large_abroad',
      'late',
      'duplicate',
    ])
    expect(silver.reasonMeanings).toMatchObject({
      currency_invalid: 'currency is there and no string',
      currency_unknown: 'a check of the project refuses it',
      too_risky: 'too hot',
    })
  })
})

test('minor units are those of the currency: of a yen there is one, of a dinar there are a thousand', () => {
  const cases = [
    [0, 1980, 198_000n],
    [0, -5, 'amount_not_positive'],
    [0, 999_999_999_999, 99_999_999_999_900n],
    [0, 1_000_000_000_000, 'amount_out_of_range'],
    [2, 1980, 1980n],
    [3, 1234, 123n],
    [3, 1235, 124n],
    [3, 4, 'amount_not_positive'],
    [3, 999_999_999_999_994, 99_999_999_999_999n],
    [3, 1_000_000_000_000_000, 'amount_out_of_range'],
    [4, 12_350, 124n],
    [4, 1.5, 'amount_invalid'],
  ] as const
  for (const [digits, amount, expected] of cases) {
    const fields = { amount: { path: 'amount', as: 'minor_units', digits } } as const
    const one = { ...record({ amount }), cells: { amount: null } }
    const [silver] = inJavascript(silverOf({ fields }), [one])
    const judged = judge(one.value, null, BigInt(Date.UTC(2026, 10, 1)) * 1000n, mappingOf(fields))
    const found = silver!.reasons.length > 0 ? silver!.reasons.join() : silver!.cells.amount
    const again = judged.kind === 'refused' ? judged.reasons.join() : judged.transaction.cents
    const told = String(expected)
    expect([digits, amount, found, String(again)]).toEqual([digits, amount, told, told])
  }
  const units = (given: object) => () => mappingOf({ amount: { path: 'a', ...given } } as Fields)
  expect(units({ as: 'minor_units', digits: 5 })).toThrow('fields.amount.digits: there is 0, 2, 3, 4, not 5')
  expect(units({ as: 'number', digits: 3 })).toThrow('minor_units alone have digits')
})

describe('columns of the project', () => {
  const silver = silverOf({
    fields: {
      user_id: { path: 'customer.id', type: 'string' },
      amount: { path: 'amt.minor', as: 'minor_units' },
      timestamp: { path: 'ts', as: 'epoch_ms' },
      location: { country: 'country' },
      merchant: null,
    },
    extra: { channel: textField('channel'), text_id: textField(['card.bin']) },
  })

  test('stand behind those of the seed, in silver and in the scored table', () => {
    const seedColumns = Object.keys(silverTransactions.rows.schema)
    expect(Object.keys(silver.transactions.rows.schema)).toEqual([...seedColumns, 'channel', 'text_id'])
    const all = tablesOfSilver(silver)
    const scored = all.find(({ path }) => path === 'fraud_detection')!
    expect(Object.keys(scored.rows.schema).slice(-2)).toEqual(['channel', 'text_id'])
    expect(all.map(({ path }) => path)).toEqual(standardLakehouse.tables.map(({ path }) => path))
    for (const { path, rows } of all) {
      if ('user_id' in rows.schema) expect(rows.schema, path).toMatchObject({ user_id: 'string' })
    }
  })

  test('are read from where they stand, whatever they are called', () => {
    const value = Buffer.from(
      JSON.stringify({
        transaction_id: 'x',
        customer: { id: ' 7b6 ' },
        amt: { minor: 1999 },
        ts: 1_790_000_000_123,
        country: 'France',
        merchant: { name: 'is no field' },
        'card.bin': '4111',
      }),
    )
    const cells = { transaction_id: 'x', user_id: '7b6', amount: 1999n, city: null, country: 'France' }
    const more = { location: 'France', channel: null, text_id: '4111', event_time: 1_790_000_000_123_000n }
    const wanted = { value, kafkaMicros: null, reasons: [], cells: { ...cells, ...more } }
    const [found] = inJavascript(silver, [wanted])
    expect(found).toEqual({
      reasons: [],
      cells: { ...cells, ...more, amount: '1999', event_time: '1790000000123000' },
    })
  })

  test('the seed is the project that says nothing: its definitions are the same text', () => {
    for (const [index, table] of tablesOfSilver(silverOf({})).entries()) {
      expect(storedText(table)).toBe(storedText(standardLakehouse.tables[index]))
    }
  })
})

const mistakesOf = (
  fields: unknown,
  extra: unknown = {},
  reasons: readonly string[] = [],
): readonly unknown[] => {
  try {
    const checks = reasons.map((reason) => ({ reason, when: () => equals(text('a'), text('a')) }))
    silverOf({ fields: fields as Fields, extra: extra as ExtraFields, checks })
    return []
  } catch (error) {
    if (!(error instanceof LakehouseError)) throw error
    expect(error.code).toBe('LAKEHOUSE_INVALID')
    return error.details.mistakes as readonly string[]
  }
}

describe('mistakes are told together, each with what to do', () => {
  test.each([
    [{ amount: 'a..b' }, 'fields.amount: "a..b" is no path'],
    [{ amount: '' }, 'fields.amount: "" is no path'],
    [{ amount: [] }, 'fields.amount: [] is no path'],
    [{ amount: 5 }, 'fields.amount: 5 is no path'],
    [{ amount: { as: 'number' } }, 'fields.amount: nothing is no path'],
    [{ amount: "it's" }, 'the name "it\'s" cannot be read'],
    [
      { amount: { path: 'a', as: 'cents' } },
      'fields.amount.as: there is number, decimal_text, minor_units, not cents',
    ],
    [{ user_id: { path: 'a', as: 'string' } }, 'fields.user_id.as: there is path and type'],
    [{ user_id: { path: 'a', type: 'uuid' } }, 'fields.user_id.type: there is int, long, string, not uuid'],
    [{ user_id: null }, 'fields.user_id: every record must have one'],
    [{ ammount: 'a' }, 'fields.ammount: there is transaction_id'],
    [{ location: {} }, 'fields.location: give the path of city'],
    [{ location: { town: 'a', city: 'b' } }, 'fields.location.town: there is city and country'],
  ])('%j', (fields, message) => {
    const mistakes = mistakesOf(fields)
    expect(mistakes).toHaveLength(1)
    expect(mistakes[0]).toContain(message)
  })

  test.each([
    ['amount', 'Assay has a column of this name'],
    ['fraud_score', 'call it record_fraud_score'],
    ['window_start', 'Assay has a column of this name'],
    ['cardBin', 'small letters, digits and _, such as card_bin'],
    ['Card-BIN', 'such as card_bin'],
    ['1st', 'such as st'],
    ['_x', 'such as x'],
    ['é', 'small letters'],
    ['a"; DROP', 'small letters'],
  ])('a column %s', (name, message) => {
    expect(mistakesOf({}, { [name]: textField('x') })).toEqual([expect.stringContaining(message)])
  })

  test('a decimal of other places, and several mistakes at once', () => {
    expect(mistakesOf({ amount: '' }, { x: numberField('y', { scale: 3 as 2 }), z: textField('?') })).toEqual(
      [
        expect.stringContaining('fields.amount'),
        'extra.x: a number of 3 places is not offered; a decimal has 2 places',
        expect.stringContaining('extra.z: the name "?" cannot be read'),
      ],
    )
  })

  test.each([
    [['Currency'], '"Currency" is no name'],
    [['late'], "late is a reason of Assay's own"],
    [['malformed'], 'malformed is a reason'],
    [['merchant_invalid'], 'merchant_invalid is a reason'],
    [['x_invalid'], 'x_invalid is a reason'],
    [['a', 'b', 'a'], 'two of them have the reason a'],
  ])('the reasons %j', (reasons, message) => {
    expect(mistakesOf({}, { x: textField('y') }, reasons)).toEqual([expect.stringContaining(message)])
  })

  test('what is not wrong is a mapping', () => {
    expect(mappingOf({ location: { city: 'addr.city' }, is_fraud: null }).location).toEqual({
      city: { path: ['addr', 'city'], as: 'text' },
      country: null,
    })
  })
})
