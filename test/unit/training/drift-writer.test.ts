// quality/drift: each complete day once, by whatever runs and batches, with the figures that a naive count of
// the rows gives; what is put in is found on its day, and nothing is where nothing was put in.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type DriftEvent, type EngineEvent, tellNobody } from '../../../src/engines/events.ts'
import { ModelEvaluator, readModel } from '../../../src/model/index.ts'
import { Random } from '../../../src/produce/random.ts'
import { transactions } from '../../../src/project/index.ts'
import { modelFileName } from '../../../src/rules/index.ts'
import type { ModelCard } from '../../../src/training/card.ts'
import { type Distribution, distributionOf } from '../../../src/training/distribution.ts'
import { DriftWriter } from '../../../src/training/drift-writer.ts'
import { RulesInForce, type RulesOfLakehouse } from '../../../src/versions/rules-in-force.ts'
import { readTables } from '../../compare/read-in-process.ts'
import type { Row } from '../../oracle/rows.ts'
import {
  type Lakehouse,
  newLakehouse,
  runOnce,
  testOptions,
  testParameters,
  writeInput,
} from '../engine/pipeline.ts'
import { smallModel } from '../model/small-model.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const random = new Random(seed, 'days')
const file = modelFileName(smallModel, 'txt')
const rules = (points: number, model = true) => `levels: { HIGH: 50, LOW: 10 }
review_from: 50
${model ? `model: { file: ./${file}, features: { hour: transaction_hour } }` : ''}
rules:
  - { name: risky, when: ${model ? 'model_score > 0.9' : 'amount > 3000'}, points: ${points}, says: risky }
`
const read = readModel(smallModel)
if (read.kind === 'mistake') throw new Error(read.message)
const evaluator = new ModelEvaluator(read.model)
const methods = ['card', 'crypto', 'wallet']
type Payment = { readonly amount: number; readonly hour: number; readonly method: string | null }

const payment = (factor = 1): Payment => ({
  amount: Number((400 * random.float() * factor + 1).toFixed(2)),
  hour: random.whole(0, 23),
  method: random.float() < 0.1 ? null : methods[random.whole(0, 2)]!,
})
// To the bit: few scores are different, and each is a limit.
const scoreOf = (of: Payment) =>
  evaluator.scoreOf([of.amount, of.hour, of.method === null ? null : codeOf(of)])
const codeOf = ({ method }: Payment) => (method === null ? Number.NaN : methods.indexOf(method))
const columnsOf = (payments: readonly Payment[]) => ({
  model_score: Float64Array.from(payments, scoreOf),
  amount: Float64Array.from(payments, ({ amount }) => amount),
  hour: Float64Array.from(payments, ({ hour }) => hour),
  payment_method: Float64Array.from(payments, codeOf),
})
const learned = columnsOf(Array.from({ length: 5_000 }, () => payment()))
const distributions = {
  model_score: distributionOf(learned.model_score, null),
  amount: distributionOf(learned.amount, null),
  hour: distributionOf(learned.hour, null),
  payment_method: distributionOf(learned.payment_method, methods),
}
const card = {
  score: distributions.model_score,
  features: (['amount', 'hour', 'payment_method'] as const).map((name) => ({
    ...{ name, source: name, importance: 0, isOfDay: false, distribution: distributions[name] },
    kind: name === 'payment_method' ? 'category' : 'number',
  })),
} as unknown as ModelCard

/** Straight from the definition, value by value. */
function naive(from: Distribution, values: Float64Array): { psi: number; ks: number } {
  const share = (is: (value: number) => boolean) => [...values].filter(is).length / values.length
  const isMissing = (value: number) => Number.isNaN(value)
  const shares =
    from.kind === 'category'
      ? [...from.texts.map((_, code) => share((value) => value === code)), share(isMissing)]
      : [
          ...[...from.edges, Infinity].map((edge, index) =>
            share((value) => value <= edge && value > (from.edges[index - 1] ?? -Infinity)),
          ),
          share(isMissing),
        ]
  const psi = shares.reduce((sum, one, index) => {
    const was = Math.max(from.shares[index]!, 1e-4)
    const is = one > 0 ? one : Math.max(1e-4, Math.min(was, 0.5 / values.length))
    return sum + (is - was) * Math.log(is / was)
  }, 0)
  if (from.kind === 'category')
    return { psi, ks: shares.reduce((sum, one, index) => sum + Math.abs(one - from.shares[index]!), 0) / 2 }
  const there = [...values].filter((value) => !isMissing(value))
  const gaps = from.quantiles.map((limit, index) => {
    const below = there.filter((value) => value <= limit).length / there.length
    return Math.abs(below - from.cumulative![index]!)
  })
  return { psi, ks: Math.max(...gaps) }
}

const firstDay = Date.UTC(2026, 8, 1)
const dayText = (day: number) => new Date(firstDay + day * 86_400_000).toISOString().slice(0, 10)
let count = 0
const record = (day: number, { amount, hour, method }: Payment): Buffer => {
  const timestamp = new Date(
    firstDay + day * 86_400_000 + hour * 3_600_000 + random.whole(0, 3_599_999),
  ).toISOString()
  const facts = {
    transaction_id: `t${count++}`,
    user_id: count,
    amount,
    merchant: 'm',
    timestamp,
    location: 'Nice, France',
  }
  return Buffer.from(JSON.stringify({ ...facts, ...(method === null ? {} : { payment_method: method }) }))
}

let directory: string
let lakehouse: Lakehouse
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'assay-drift-'))
  lakehouse = await newLakehouse()
  await writeFile(join(directory, file), smallModel)
  await writeFile(join(directory, file.replace('.txt', '.card.json')), JSON.stringify(card))
})
afterEach(async () => {
  await lakehouse.remove()
  await rm(directory, { recursive: true, force: true })
})

/** One start of a run that ends, by the rules as they stand in the file. */
async function run(text: string, records: readonly Buffer[], recordsPerBatchMax: number) {
  await writeFile(join(directory, 'rules.yaml'), text)
  const of: RulesOfLakehouse = {
    lakehouse: transactions({ topic: 'shop', rules: './rules.yaml' }).in(directory),
    ...{ parameters: testParameters, deltaBasePath: lakehouse.base, policy: { kind: 'none' } },
    clock: testOptions.clock,
  }
  const told: EngineEvent[] = []
  const options = {
    rules: of,
    maturityMicros: 1n,
    duckdb: {},
    tell: (event: EngineEvent) => void told.push(event),
  }
  // Two that know nothing of one another, as after a take-over.
  const writers = [new DriftWriter(options), new DriftWriter(options)]
  await writeInput(lakehouse, records)
  await runOnce(lakehouse, {
    ...{ lakehouse: of.lakehouse, recordsPerBatchMax },
    inForce: new RulesInForce({ ...of, by: { user: 'ann', role: null }, tell: tellNobody }),
    onEvent: (event) => {
      for (const writer of writers) writer.onEvent(event)
    },
  })
  for (const writer of writers) await writer.close(60_000)
  return told
}

async function drift(): Promise<readonly Row[]> {
  const tables: Readonly<Record<string, readonly Row[]>> = await readTables(lakehouse.base, ['quality/drift'])
  return tables['quality/drift']!
}

test(`each complete day is there once, as a naive count has it, and what was put in is found (SEED=${seed})`, async () => {
  const changed = 3
  const days = Array.from({ length: 6 }, (_, day) => {
    return Array.from({ length: day === 4 ? 40 : 300 }, () => payment(day === changed ? 3 : 1))
  })
  const records = days.map((payments, day) =>
    payments.map((one) => record(day, one)).sort((a, b) => timeOf(a) - timeOf(b)),
  )
  const told = [
    ...(await run(rules(50), records.slice(0, 3).flat(), 200)),
    // Other points are another version of the same model, and a start of its own.
    ...(await run(rules(60), records.slice(0, 5).flat(), 170)),
    ...(await run(rules(60), records.flat(), 1_000)),
    ...(await run(rules(60), records.flat(), 1_000)),
  ]
  const rows = await drift()
  // The last day may still get rows.
  expect(rows).toHaveLength(5 * 4)
  for (const [day, payments] of days.slice(0, 5).entries()) {
    const columns = columnsOf(payments)
    for (const name of Object.keys(columns) as (keyof typeof columns)[]) {
      const feature = name === 'model_score' ? null : name
      const found = rows.filter((row) => row.day === dayText(day) && row.feature === feature)
      expect(found, `${dayText(day)} ${name}`).toHaveLength(1)
      const { psi, ks } = naive(distributions[name], columns[name])
      expect(found[0]!.psi).toBeCloseTo(psi, 9)
      expect(found[0]!.ks).toBeCloseTo(ks, 9)
      const isPutIn = day === changed && name === 'amount'
      const level = day === 4 ? 'too_few' : isPutIn ? 'drifted' : null
      if (level !== null) expect(found[0]!.level).toBe(level)
      else expect(['stable', ...(day === changed ? ['moderate', 'drifted'] : [])]).toContain(found[0]!.level)
      expect(found[0]).toMatchObject({ model: file, rows: BigInt(payments.length) })
    }
  }
  expect(new Set(rows.map((row) => row.rules_version))).toEqual(new Set([1n, 2n]))
  const notices = told.flatMap((event) =>
    event.kind === 'notice' && event.code === 'MODEL_DRIFTED' ? [event] : [],
  )
  expect(notices.map(({ details }) => details.day)).toEqual([dayText(changed)])
  const last = told.findLast((event) => event.kind === 'drift') as DriftEvent
  expect(last.day).toBe(dayText(4))
  expect(last.figures.map(({ feature }) => feature).sort()).toEqual([
    'amount',
    'hour',
    'model_score',
    'payment_method',
  ])
}, 120_000)

test('without a model nothing is written, and without a card neither', async () => {
  const records = [0, 1, 2].flatMap((day) => Array.from({ length: 20 }, () => record(day, payment())))
  expect((await run(rules(50, false), records, 1_000)).map(({ kind }) => kind)).toEqual([])
  expect(await drift()).toEqual([])
  await rm(join(directory, file.replace('.txt', '.card.json')))
  const more = [3, 4, 5].flatMap((day) => Array.from({ length: 20 }, () => record(day, payment())))
  await run(rules(50), [...records, ...more], 1_000)
  expect(await drift()).toEqual([])
})

const timeOf = (value: Buffer): number => Date.parse(JSON.parse(value.toString()).timestamp)
