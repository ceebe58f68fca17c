// The proof of a lakehouse of somebody's own: it is written by the real engine, proved, and then damaged.
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { embeddedEngine } from '../../../src/engines/embedded/run.ts'
import { erasePersons } from '../../../src/engines/erase.ts'
import { openFileSource } from '../../../src/files/source.ts'
import { type Verification, verifyLakehouse } from '../../../src/verify/verify.ts'
import { isItsTurn, takingTurns, turnSeed } from '../../turns.ts'
import { eraseOptions } from '../engine/erased-person.ts'
import { testOptions } from '../engine/pipeline.ts'
import {
  compact,
  failedChecks,
  findingsOf,
  replaceByCommit,
  temporaryDirectory,
  verifyDamaged,
  writeLines,
} from './damaged-lakehouse.ts'
import { ordersLakehouse } from './orders-lakehouse.ts'

const minute = 60_000_000n
const options = {
  lakehouse: ordersLakehouse,
  delays: { orders: 10n * minute, sums: 20n * minute },
  parameters: { repeat_micros: 5n * minute },
  duckdb: { memoryLimitBytes: null, threads: 1 },
}

let work: string
let base: string

/** Numbers of a sequence that a seed begins: the same on every machine. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Orders of ten hours, in about the order of their events: some repeated, late, or broken. */
function orderLines(count: number, seed: number): string[] {
  const number = numbersFrom(seed)
  return Array.from({ length: count }, (_, index) => {
    const kind = number(20)
    if (kind === 0) return ['{"no": ', '{"paid": 3}', '{"no": "x", "paid": 1, "at": "never"}'][number(3)]!
    const second = Math.floor((index * 36_000) / count) - number(500) - (kind === 1 ? 7_200 : 0)
    return JSON.stringify({
      no: `o-${kind === 2 ? Math.max(0, index - 1 - number(3)) : index}`,
      ...(number(12) === 0 ? {} : { card: `c-${number(9)}` }),
      dev: number(8) === 0 ? null : `d-${number(12)}`,
      paid: (1 + number(30_000)) / 100,
      shop: number(10) === 0 ? null : `shop ${number(3)}`,
      at: new Date(1_790_000_000_000 + second * 1_000).toISOString(),
    })
  })
}

/** Batches are seconds apart, and after all events. */
let clockMicros = 1_793_000_000_000_000n
let secondRunMicros = 0n

async function run(input: string, streams: readonly string[], finalize: boolean): Promise<void> {
  const isReading = streams.includes('take')
  const source = isReading ? await openFileSource(input, { takeUnterminatedTail: false }) : null
  try {
    await embeddedEngine.run({
      ...testOptions,
      ...options,
      deltaBasePath: base,
      streams,
      source,
      finalize,
      recordsPerBatchMax: 45,
      clock: () => (clockMicros += 1_000_000n),
    })
  } finally {
    await source?.close()
  }
}

beforeAll(async () => {
  work = await temporaryDirectory()
  base = join(work, 'lake')
  const input = join(work, 'input')
  const seed = Number(process.env.TEST_SEED ?? 20_261_127)
  console.log(`seed ${seed}`)
  const lines = orderLines(300, seed)
  await writeLines(input, 'a.ndjson', lines.slice(0, 200))
  await run(input, ordersLakehouse.streams, false)
  await writeLines(input, 'b.ndjson', lines.slice(200))
  secondRunMicros = clockMicros
  // The last part stream by stream.
  await run(input, ['take'], true)
  await run(input, ['check'], false)
  await run(input, ['sum'], false)
}, 120_000)

afterAll(() => rm(work, { recursive: true, force: true }))

const verify = (more: object = {}): Promise<Verification> =>
  verifyLakehouse({ ...options, deltaBasePath: base, ...more }, null)

const countIn = ({ checks }: Verification, table: string, check: string): number =>
  Number(/\d+/.exec(checks.find((one) => one.table === table && one.check === check)?.message ?? '')?.[0])

describe('a lakehouse of other tables', () => {
  beforeEach(takingTurns(turnSeed, 3, 1))

  test('is proved, at once and slice by slice', async () => {
    const whole = await verify()
    expect(whole.checks.filter(({ ok }) => !ok)).toEqual([])
    expect(whole.checks.flatMap(({ notes }) => notes)).toEqual([])
    for (const [table, check] of [
      ['raw/orders', 'offsets'],
      ['orders', 'rows'],
      ['refused_orders', 'rows'],
      ['checked/large', 'rows'],
      ['checked/features', 'rows'],
      ['checked/tenth', 'rows'],
      ['checked/busy', 'rows'],
      ['checked/plain', 'rows'],
      ['sums/shops', 'windows'],
      ['sums/devices', 'windows'],
      ['sums/crowds', 'windows'],
    ] as const) {
      expect(countIn(whole, table, check), table).toBeGreaterThan(5)
    }
    expect(whole.checks.map(({ check }) => check)).not.toContain('second reading')
    expect(whole.checks.find(({ check }) => check === 'no repeats')?.message).toBe(
      'no two rows have one order_no within REPEAT_WINDOW',
    )
    expect(await verify({ rowsAtOnce: 40 })).toEqual(whole)
  }, 120_000)

  test('of its batches since an instant alone', async () => {
    const whole = await verify()
    const part = await verify({ sinceMicros: secondRunMicros, rowsAtOnce: 40 })
    expect(part.checks.filter(({ ok }) => !ok)).toEqual([])
    for (const table of ['orders', 'refused_orders', 'checked/large', 'checked/busy', 'checked/plain']) {
      expect(countIn(part, table, 'rows'), table).toBeLessThan(countIn(whole, table, 'rows'))
      expect(countIn(part, table, 'rows'), table).toBeGreaterThan(0)
    }
  }, 120_000)
})

test('without a person it is proved but for what the person had a part in, and damage is found', async () => {
  const copy = await temporaryDirectory()
  try {
    await cp(base, copy, { recursive: true })
    const { records } = await erasePersons({ ...eraseOptions, ...options, deltaBasePath: copy }, ['c-3'])
    expect(records).toBeGreaterThan(10n)
    for (const rowsAtOnce of [1_000_000, 40]) {
      const erased = await verify({ deltaBasePath: copy, rowsAtOnce })
      expect(erased.checks.filter(({ ok }) => !ok)).toEqual([])
      const untold = (table: string): readonly string[] =>
        erased.checks.find((one) => one.table === table && /rows|windows/.test(one.check))?.notes ?? []
      // By the device others counted the person's orders; by the card nobody did.
      for (const table of ['checked/large', 'checked/tenth', 'sums/shops']) {
        expect(untold(table).join(), table).toContain('not provable, because of erased records')
      }
      expect(untold('orders')).toEqual([])
    }
    for (const [table, select] of [
      ['orders', altered('paid', 'paid + 0.01')],
      ['checked/features', altered('spent', 'spent + 0.01')],
      ['checked/large', altered('orders_in_6h', 'orders_in_6h + 1000')],
      ['checked/large', altered('orders_in_6h', 'orders_in_6h - 1000')],
    ] as const) {
      const damage = async (damaged: string): Promise<void> => {
        await compact(damaged, table)
        await replaceByCommit(damaged, table, select)
      }
      expect(failedChecks(await verifyDamaged(copy, damage, table, options))).toContain(`${table}, rows`)
    }
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}, 120_000)

/** All rows, the first one with another value. */
const altered = (column: string, value: string): string =>
  `SELECT * EXCLUDE (number) REPLACE (CASE WHEN number = 1 THEN ${value} ELSE ${column} END AS ${column})
    FROM (SELECT *, row_number() OVER () AS number FROM rows)`
const gone = 'SELECT * FROM rows ORDER BY ALL OFFSET 1'
const doubled = 'FROM rows UNION ALL (FROM rows ORDER BY ALL LIMIT 1)'

const damages = [
  ['raw/orders', 'a record is gone', gone, 'offsets', null],
  ['orders', 'a row is gone', gone, 'split', null],
  ['orders', 'a price is another', altered('paid', 'paid + 0.01'), 'rows', 'paid'],
  [
    'orders',
    'it was shifted a little',
    altered('event_time', 'event_time + INTERVAL 1 SECOND'),
    'rows',
    'event_time',
  ],
  [
    'orders',
    'a repeat was let in',
    'SELECT * REPLACE (min(order_no) OVER () AS order_no, min(event_time) OVER () AS event_time) FROM rows',
    'no repeats',
    'order_no',
  ],
  ['refused_orders', 'a reason is another', altered('reasons', "['again', 'too_late']"), 'rows', 'reasons'],
  ['refused_orders', 'the bytes are others', altered('value', "encode('x')"), 'rows', 'value'],
  ['checked/large', 'a row is gone', gone, 'rows', null],
  [
    'checked/large',
    'a count is another',
    altered('orders_in_6h', 'orders_in_6h + 1'),
    'rows',
    'orders_in_6h',
  ],
  ['checked/features', 'a sum is another', altered('spent', 'spent + 0.01'), 'rows', 'spent'],
  ['checked/features', 'the shop before is another', altered('shop_before', "'x'"), 'rows', 'shop_before'],
  ['checked/tenth', 'a tenth is none', altered('is_tenth', 'NOT is_tenth'), 'rows', 'is_tenth'],
  ['checked/busy', 'a row is doubled', doubled, 'rows', null],
  ['checked/busy', 'a cell is another', altered('is_huge', 'NOT is_huge'), 'rows', null],
  ['checked/plain', 'a row is gone', gone, 'rows', null],
  [
    'sums/shops',
    'a mean is a little off',
    altered('mean_paid', 'mean_paid * (1 + 1e-15)'),
    'windows',
    'mean_paid',
  ],
  [
    'sums/shops',
    'it was written too early',
    altered('written_at', 'written_at - INTERVAL 1 SECOND'),
    'windows',
    'written_at',
  ],
  ['sums/crowds', 'a group is gone', gone, 'windows', null],
  ['sums/crowds', 'a group has one more', altered('orders', 'orders + 1'), 'windows', null],
  ['sums/devices', 'a group is gone', gone, 'windows', null],
  ['sums/devices', 'a count of shops is off', altered('shops', 'shops + 1'), 'windows', 'shops'],
] as const

test.each(damages.filter((_, index) => isItsTurn(turnSeed, index, 3)))(
  `%s: %s, and it is named (SEED=${turnSeed})`,
  async (table, _, select, check, column) => {
    const verification = await verifyDamaged(
      base,
      async (copy) => {
        await compact(copy, table)
        await replaceByCommit(copy, table, select)
      },
      table,
      options,
    )
    expect(failedChecks(verification)).toContain(`${table}, ${check}`)
    const findings = findingsOf(verification, table, check)
    if (column !== null) expect(findings.map((finding) => finding.column)).toContain(column)
  },
)
