// Topics that nobody described: what is proposed for them reads their records.
import { describe, expect, test } from 'vitest'
import { fieldsFound } from '../../../src/transactions/fields-found.ts'
import { inferFields } from '../../../src/transactions/infer-fields.ts'
import { mappingOf } from '../../../src/transactions/mapping-of.ts'
import { sampleOf } from '../../../src/transactions/sample.ts'
import { judge } from '../../../src/verify/judge.ts'
import { topics } from '../../generate/foreign-topics.ts'
import { oddColumns, oddRecords } from '../../generate/odd-names.ts'

const later = BigInt(Date.UTC(2026, 11, 1)) * 1000n

describe.each(topics)('$name', ({ records, fields }) => {
  const values = records.map((record) => Buffer.from(JSON.stringify(record)))
  const inferred = inferFields(sampleOf(values))

  test('gets the fields that a person would write', () => {
    expect(inferred.fields).toEqual(fields)
    expect(inferred.missing).toEqual([])
  })

  test('has no record that its mapping refuses', () => {
    const mapping = mappingOf(inferred.fields)
    const refused = values.flatMap((value) => {
      const judged = judge(value, null, later, mapping)
      return judged.kind === 'refused' ? [{ reasons: judged.reasons, value: value.toString() }] : []
    })
    expect(refused).toEqual([])
    const found = fieldsFound(sampleOf(values), mapping)
    for (const one of found) if (one.found === records.length) expect(one.readableShare, one.field).toBe(1)
  })
})

test('ids that are texts of digits and points are ids where they are called so, and amounts where not', () => {
  const values = Array.from({ length: 20 }, (_, index) => ({
    ...{ id: `20261001.${1000 + index}`, customer: `10.${index % 4}`, amount: `${index}.25` },
    ts: '2026-10-01T10:00:00Z',
  }))
  const { fields, missing } = inferFields(sampleOf(values.map((one) => Buffer.from(JSON.stringify(one)))))
  expect(missing).toEqual([])
  expect(fields).toMatchObject({
    transaction_id: 'id',
    user_id: { path: 'customer', type: 'string' },
    amount: { path: 'amount', as: 'decimal_text' },
  })
})

describe('fields of a config in a sample', () => {
  const sample = sampleOf([
    ...['a', 'b', 'c'].map((id, index) =>
      Buffer.from(
        JSON.stringify({
          transactionId: id,
          customer: { id: `u${index}` },
          amt: 5,
          ts: '2026-10-01T10:00:00Z',
          merchant: { name: 'Shop' },
          ...(index === 0 ? { devce_id: 'd' } : { device_id: 'd' }),
        }),
      ),
    ),
    Buffer.from('no JSON'),
    Buffer.from('[1]'),
    null,
  ])
  const found = fieldsFound(sample, mappingOf({ timestamp: { path: 'ts', as: 'epoch_ms' } }))
  const of = (name: string) => found.find(({ field }) => field === name)

  test('are counted among the records that are some', () => {
    expect([sample.records, sample.malformed]).toEqual([3, 3])
    expect(of('device_id')).toMatchObject({ found: 2, readableShare: 1 })
  })

  test('that are missing have other names, the likeliest first', () => {
    expect(of('transaction_id')).toMatchObject({ found: 0, instead: [['transactionId']] })
    expect(of('user_id')).toMatchObject({ found: 0, instead: [['customer', 'id']] })
    expect(of('amount')).toMatchObject({ found: 0, instead: [['amt']] })
    expect(of('merchant')).toMatchObject({ found: 0, instead: [['merchant', 'name']] })
    expect(of('device_id')?.instead[0]).toEqual(['devce_id'])
  })

  test('that are there and cannot be read are told too', () => {
    expect(of('timestamp')).toMatchObject({ path: ['ts'], as: 'epoch_ms', found: 3, readableShare: 0 })
  })

  test('are nothing where there is no record', () => {
    const none = fieldsFound(sampleOf([null]), mappingOf())
    expect(none.every((one) => one.found === 0 && one.instead.length === 0)).toBe(true)
    expect(inferFields(sampleOf([])).missing).toEqual(['transaction_id', 'user_id', 'amount', 'timestamp'])
  })
})

test('what no field takes may become columns', () => {
  const records = Array.from({ length: 20 }, (_, index) => ({
    id: `t${index}`,
    user_id: index % 3,
    amount: index + 0.5,
    timestamp: '2026-10-01T10:00:00Z',
    channel: 'web',
    card: { bin: '4111', is_new: index % 2 === 0 },
    tags: ['a'],
    risk: 0.25,
  }))
  const { others } = inferFields(sampleOf(records.map((record) => Buffer.from(JSON.stringify(record)))))
  expect(others).toEqual([
    { name: 'channel', path: ['channel'], as: 'text' },
    { name: 'bin', path: ['card', 'bin'], as: 'text' },
    { name: 'is_new', path: ['card', 'is_new'], as: 'boolean' },
    { name: 'risk', path: ['risk'], as: 'number' },
  ])
})

test('columns of odd names get names that are free, and what nothing can read is told', () => {
  const { others, notes } = inferFields(sampleOf(oddRecords.map((one) => Buffer.from(JSON.stringify(one)))))
  expect(Object.fromEntries(others.map(({ name, path }) => [name, path]))).toEqual(oddColumns)
  expect(others.length).toBe(Object.keys(oddColumns).length)
  const extra = Object.fromEntries(others.map(({ name, path, as }) => [name, { path, as }]))
  expect(() => mappingOf({}, extra as never)).not.toThrow()
  expect(notes).toContainEqual(
    expect.stringMatching(/^no field can read "it's", " lead", "what\?", "": it has a quote/),
  )
  expect(notes).toContainEqual(expect.stringMatching(/^tags: no column takes it/))
})

test('a guess by values is said', () => {
  const records = Array.from({ length: 20 }, (_, index) => ({
    k: `ab-${index}`,
    who: `person-${index % 4}`,
    n: index * 1.25 + 0.01,
    when: 1_790_000_000 + index,
  }))
  const { fields, notes } = inferFields(
    sampleOf(records.map((record) => Buffer.from(JSON.stringify(record)))),
  )
  expect(fields).toMatchObject({
    transaction_id: 'k',
    user_id: { path: 'who', type: 'string' },
    amount: 'n',
    timestamp: { path: 'when', as: 'epoch_s' },
  })
  expect(notes.filter((note) => note.includes('guessed'))).toHaveLength(4)
})
