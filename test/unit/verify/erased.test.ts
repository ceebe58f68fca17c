// What verify says after records were erased: the rows that are left are proved as before, what depends on
// the erased ones is told, and damage is found all the same.
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { adoptDeletion } from '../../../src/engines/adopt.ts'
import { erasePersons } from '../../../src/engines/erase.ts'
import { setStepHook } from '../../../src/steps/step.ts'
import { type Verification, verifyLakehouse } from '../../../src/verify/verify.ts'
import { isItsTurn, takingTurns, turnSeed } from '../../turns.ts'
import { eraseOptions, isOfPerson, person, personRecords } from '../engine/erased-person.ts'
import { memorySource } from '../engine/memory-source.ts'
import { type Lakehouse, newLakehouse, runOnce } from '../engine/pipeline.ts'
import {
  failedChecks,
  findingsOf,
  replaceByCommit,
  rewriteFile,
  rewriteInPlace,
  runPipeline,
  sampleLines,
  temporaryDirectory,
  verifyDamaged,
  verifyOptions,
  writeLines,
} from './damaged-lakehouse.ts'

const records = personRecords(240)
let whole: Lakehouse
let erased: string

const run = (base: Lakehouse, all: typeof records, finalize = false) =>
  runOnce(base, { recordsPerBatchMax: 90, finalize }, memorySource(all))
const options = (deltaBasePath: string) => ({ ...eraseOptions, deltaBasePath })
const verify = (base: string): Promise<Verification> => verifyLakehouse(verifyOptions(base), null)
const failed = ({ checks }: Verification) =>
  checks.filter(({ ok }) => !ok).map(({ table, check, findings }) => ({ table, check, findings }))
const notes = ({ checks }: Verification, table: string, check: string) =>
  checks.find((one) => one.table === table && one.check === check)?.notes ?? []

beforeAll(async () => {
  whole = await newLakehouse()
  await run(whole, records)
  erased = await temporaryDirectory()
  await cp(whole.base, erased, { recursive: true })
  await erasePersons(options(erased), [BigInt(person)])
})
afterAll(async () => {
  await whole?.remove()
  await rm(erased, { recursive: true, force: true })
})

describe('a lakehouse without a person', () => {
  beforeEach(takingTurns(turnSeed, 3, 1))

  test('is proved but for what the person had a part in, which is counted', async () => {
    expect(failed(await verify(whole.base))).toEqual([])
    const verification = await verify(erased)
    expect(failed(verification)).toEqual([])
    const count = records.filter(isOfPerson).length
    expect(notes(verification, 'bronze/transactions', 'offsets')).toEqual([
      `not looked for: ${count} erased records in ops/erased`,
    ])
    expect(notes(verification, 'silver/quarantine', 'rows')).toEqual([
      expect.stringMatching(/^not provable, because of erased records: [1-5] duplicates$/),
    ])
    expect(notes(verification, 'aggregations/merchant', 'windows')).toEqual([
      expect.stringMatching(/^not provable, because of erased records: \d+ groups$/),
    ])
  })

  test('goes on and is proved, also with what the person does later', async () => {
    const lakehouse = await newLakehouse()
    try {
      await run(lakehouse, records.slice(0, 200))
      await erasePersons(options(lakehouse.base), [BigInt(person)])
      await run(lakehouse, records.slice(0, 260))
      await erasePersons(options(lakehouse.base), [BigInt(person)])
      await run(lakehouse, records, true)
      expect(failed(await verify(lakehouse.base))).toEqual([])
      const small = { ...verifyOptions(lakehouse.base), rowsAtOnce: 40 }
      expect(failed(await verifyLakehouse(small, null))).toEqual([])
    } finally {
      await lakehouse.remove()
    }
  })

  test('is proved where the records are lines of files', async () => {
    const work = await temporaryDirectory()
    try {
      const [base, input] = [join(work, 'lake'), join(work, 'input')]
      await writeLines(input, 'a.ndjson', sampleLines(300))
      await runPipeline(base, input)
      await erasePersons(options(base), [1n, 3n])
      expect(failed(await verify(base))).toEqual([])
      // The last line of the file was one of an erased user: reading goes on behind it.
      await writeLines(input, 'b.ndjson', sampleLines(40))
      await runPipeline(base, input, { finalize: true })
      expect(failed(await verify(base))).toEqual([])
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  })

  test('is proved with a note where the erasure ended half-way', async () => {
    const lakehouse = await newLakehouse()
    try {
      await cp(whole.base, lakehouse.base, { recursive: true })
      let tables = 0
      setStepHook((name) => {
        if (name === 'rows erased' && ++tables === 2) throw new Error('no power')
      })
      await expect(erasePersons(options(lakehouse.base), [BigInt(person)])).rejects.toThrow('no power')
      setStepHook(null)
      const verification = await verify(lakehouse.base)
      expect(failed(verification)).toEqual([])
      expect(notes(verification, 'silver/transactions', 'split')).toEqual([
        expect.stringContaining('in ops/erased still have rows: "assay erase" carries an erasure to its end'),
      ])
    } finally {
      setStepHook(null)
      await lakehouse.remove()
    }
  })
})

const other = records.find((record) => !isOfPerson(record) && record.offset > 20n)!
const isOther = `topic = '${other.topic}' AND partition = ${other.partition} AND "offset" = ${other.offset}`

/** A group in which the person had no part, or not alone. */
const isOfOthers = `merchant = 'Shop 1' AND window_start = (SELECT min(window_start) FROM rows WHERE merchant = 'Shop 1')`

describe(`damage beside erased records is found (SEED=${turnSeed})`, () => {
  const damages: readonly (readonly [what: string, table: string, select: string, check: string])[] = [
    [
      'a record that no batch counted',
      'bronze/transactions',
      'FROM rows OFFSET 1',
      'bronze/transactions, offsets',
    ],
    ['a row that is gone', 'silver/transactions', 'FROM rows OFFSET 1', 'silver/transactions, split'],
    [
      'another amount',
      'silver/transactions',
      'SELECT * REPLACE (amount + 1 AS amount) FROM rows',
      'silver/transactions, rows',
    ],
    [
      'another reason',
      'silver/quarantine',
      "SELECT * REPLACE (['late'] AS reasons) FROM rows",
      'silver/quarantine, rows',
    ],
    ['a refused row that is gone', 'silver/quarantine', 'FROM rows OFFSET 1', 'silver/transactions, split'],
    ['a score that is gone', 'fraud_detection', 'FROM rows OFFSET 1', 'fraud_detection, rows'],
    [
      'a velocity',
      'fraud_detection',
      'SELECT * REPLACE (CAST(tx_count_30min + 1 AS INTEGER) AS tx_count_30min) FROM rows',
      'fraud_detection, rows',
    ],
    ...['gold/transactions', 'aggregations/merchant'].flatMap((table): [string, string, string, string][] => {
      const count = table === 'gold/transactions' ? 'transaction_count' : 'total_transactions'
      return [
        ['a count', table, `SELECT * REPLACE (${count} + 100 AS ${count}) FROM rows`, `${table}, windows`],
        ['a group that is gone', table, `FROM rows WHERE NOT (${isOfOthers})`, `${table}, windows`],
        [
          'a smaller count',
          table,
          `SELECT * REPLACE (${count} - 1 AS ${count}) FROM rows`,
          `${table}, windows`,
        ],
        ['a rate', table, 'SELECT * REPLACE (fraud_rate + 1 AS fraud_rate) FROM rows', `${table}, windows`],
      ]
    }),
  ]
  test.each(damages.filter((_, index) => isItsTurn(turnSeed, index, 3)))(
    '%s in %s',
    async (_, table, select, check) => {
      const only = check.split(', ')[0]!
      const verification = await verifyDamaged(erased, (copy) => rewriteInPlace(copy, table, select), only)
      expect(failedChecks(verification)).toContain(check)
    },
  )

  test('a record that is gone from all tables', async () => {
    const verification = await verifyDamaged(
      erased,
      async (copy) => {
        for (const table of [
          'bronze/transactions',
          'silver/transactions',
          'silver/quarantine',
          'fraud_detection',
        ]) {
          const { files } = await (await DeltaTable.open(join(copy, table))).snapshot()
          expect(files.size).toBeGreaterThan(0)
          await rewriteAll(copy, table, `FROM rows WHERE NOT (${isOther})`)
        }
      },
      'bronze/transactions',
    )
    expect(findingsOf(verification, 'bronze/transactions', 'offsets')).toContainEqual(
      expect.objectContaining({ problem: 'the batch counted others', column: 'records' }),
    )
  })
})

async function rewriteAll(base: string, path: string, select: string): Promise<void> {
  const table = await DeltaTable.open(join(base, path))
  for (const file of (await table.snapshot()).files.keys())
    await rewriteFile(join(table.directory, file), select)
}

describe('a deletion by another program', () => {
  beforeEach(takingTurns(turnSeed, 3, 1))

  const table = 'silver/transactions'
  const someGone = 'FROM rows ORDER BY topic, partition, "offset" OFFSET 3'

  test('is a finding until it is adopted, and its rows can be erased everywhere', async () => {
    const lakehouse = await newLakehouse()
    try {
      const { base } = lakehouse
      await cp(whole.base, base, { recursive: true })
      await replaceByCommit(base, table, someGone, 'delta-rs:1.0')
      const { version } = await (await DeltaTable.open(join(base, table))).snapshot()
      const found = await verify(base)
      expect(failedChecks(found)).toEqual(expect.arrayContaining([`${table}, commits`, `${table}, split`]))
      expect(findingsOf(found, table, 'commits')).toContainEqual(
        expect.objectContaining({
          at: { version: String(version) },
          problem: expect.stringContaining(`assay erase --adopt silver.transactions ${version}`),
        }),
      )
      const adopted = await adoptDeletion(options(base), table, version, false)
      expect(adopted).toMatchObject({ isKnown: false, records: 3n, erased: null })
      expect(adopted.stillIn).toMatchObject({
        'bronze/transactions': 3n,
        'silver/transactions': 0n,
        fraud_detection: 3n,
      })
      expect(failed(await verify(base))).toEqual([])
      const everywhere = await adoptDeletion(options(base), table, version, true)
      expect(everywhere).toMatchObject({ isKnown: true, records: 3n })
      expect(everywhere.erased).toMatchObject({ 'bronze/transactions': 3n, fraud_detection: 3n })
      expect(failed(await verify(base))).toEqual([])
      await run(lakehouse, records, true)
      expect(failed(await verify(base))).toEqual([])
    } finally {
      await lakehouse.remove()
    }
  })

  test.each([
    ['a version of ours', table, 3n, 'is no deletion by another program'],
    ['a version that the log does not have', table, 10_000n, 'the log does not have this version'],
    ['a table of windows', 'gold/transactions', 3n, 'remove its directory'],
  ])('%s cannot be adopted', async (_, path, version, message) => {
    await expect(adoptDeletion(options(whole.base), path, version, false)).rejects.toMatchObject({
      code: 'ADOPTION_REFUSED',
      message: expect.stringContaining(message),
    })
  })

  test('cannot be adopted when the files that it removed are gone', async () => {
    const lakehouse = await newLakehouse()
    try {
      const { base } = lakehouse
      await cp(whole.base, base, { recursive: true })
      await replaceByCommit(base, table, someGone, 'delta-rs:1.0')
      const opened = await DeltaTable.open(join(base, table))
      const { version } = await opened.snapshot()
      await opened.vacuum({ retentionMs: 0, force: true })
      await expect(adoptDeletion(options(base), table, version, false)).rejects.toMatchObject({
        code: 'ADOPTION_REFUSED',
        message: expect.stringContaining('VACUUM'),
      })
    } finally {
      await lakehouse.remove()
    }
  })
})
