// A person is erased: rows, files and log entries go, everything else stays and goes on.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, glob, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { erasePersons, findErasable } from '../../../src/engines/erase.ts'
import { lockStreams } from '../../../src/engines/lock.ts'
import { changeLists, readAdditions } from '../../../src/versions/list-log.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { takingTurns, turnSeed } from '../../turns.ts'
import {
  chargeBack,
  eraseOptions,
  isOfPerson,
  person,
  personRecords,
  positionsOf,
  positionText,
  recordTables,
  trace,
  tracesOf,
} from './erased-person.ts'
import { memorySource } from './memory-source.ts'
import { type Lakehouse, newLakehouse, runOnce, testParameters } from './pipeline.ts'

beforeEach(takingTurns(turnSeed, 3, 1))

let whole: Lakehouse
let lakehouse: Lakehouse
beforeAll(async () => {
  whole = await newLakehouse()
  lakehouse = whole
  await run()
  await chargeBack(whole.base)
})
afterAll(() => whole?.remove())
beforeEach(async () => {
  lakehouse = await newLakehouse()
})
afterEach(() => lakehouse.remove())

const records = personRecords()
const ofPerson = records.filter(isOfPerson)
const options = () => ({ ...eraseOptions, deltaBasePath: lakehouse.base })
const run = (all = records, more = {}) =>
  runOnce(lakehouse, { recordsPerBatchMax: 80, ...more }, memorySource(all))

/** A lakehouse that has all records. */
const copyOfWhole = () => cp(whole.base, lakehouse.base, { recursive: true })

describe('the rows of a person', () => {
  test('leave all tables of records, with every file and log entry that held them, and nobody else does', async () => {
    await copyOfWhole()
    const before = await readTables(lakehouse.base)
    expect(ofPerson.length).toBeGreaterThan(40)
    expect(await tracesOf(lakehouse.base)).not.toEqual([])
    const report = await erasePersons(options(), [BigInt(person)])
    expect(report).toMatchObject({ erase: 1n, carriedOn: null, records: BigInt(ofPerson.length) })
    expect(report.topics).toEqual(['payments'])
    expect(await tracesOf(lakehouse.base)).toEqual([])
    const labels = await readTables(lakehouse.base, ['fraud_labels'])
    expect(report.rows.fraud_labels).toBe(10n)
    expect(labels).toMatchObject({ fraud_labels: { length: 40 } })
    const gone = new Set(ofPerson.map(positionText))
    const after = await readTables(lakehouse.base)
    for (const [path, rows] of Object.entries(before)) {
      const isRecord = recordTables.includes(path)
      const expected = rows.filter(
        (row) => !isRecord || !gone.has(`${row.topic}-${row.partition}@${row.offset}`),
      )
      const sorted = (all: typeof rows) => all.map((row) => JSON.stringify(row, text)).sort()
      expect(sorted(after[path as keyof typeof after]), path).toEqual(sorted(expected))
      if (isRecord)
        expect(report.rows[path as 'fraud_detection'], path).toBe(BigInt(rows.length - expected.length))
    }
    expect(await positionsOf(lakehouse.base, 'ops/erased')).toEqual([...gone].sort())
  })

  test('are counted without being touched', async () => {
    await copyOfWhole()
    const before = await readTables(lakehouse.base)
    const report = await findErasable(options(), [BigInt(person)])
    expect(report).toMatchObject({ erase: null, records: BigInt(ofPerson.length) })
    expect(report.rows['bronze/transactions']).toBe(BigInt(ofPerson.length))
    expect(report.rows.fraud_labels).toBe(10n)
    expect(await readTables(lakehouse.base)).toEqual(before)
    expect(await DeltaTable.exists(join(lakehouse.base, 'ops/erased'))).toBe(false)
    expect(await findErasable(options(), [99n])).toMatchObject({ records: 0n, aggregateRows: 0n })
  })

  test('are not erased where there are none', async () => {
    await copyOfWhole()
    const table = await DeltaTable.open(join(lakehouse.base, 'bronze/transactions'))
    const before = (await table.snapshot()).files
    expect(await erasePersons(options(), [99n])).toMatchObject({ erase: null, records: 0n, carriedOn: null })
    expect((await table.snapshot()).files).toEqual(before)
    expect(await erasePersons(options(), [])).toMatchObject({ erase: null, carriedOn: null })
  })
})

describe('snoozes', () => {
  const by = { user: 'ann', role: null, origin: 'command line' } as const
  const add = (rule: string | null, value: string, note: string) =>
    changeLists(
      lakehouse.base,
      { event: 'added', list: rule === null ? 'countries' : null, rule, value, untilMicros: null, note },
      by,
      1n,
    )
  const standing = async () =>
    (await readAdditions(lakehouse.base)).map(({ value, note }) => `${value} ${note}`)
  const traces = async () => {
    const found: string[] = []
    for await (const name of glob('rules/lists/**/*', { cwd: lakehouse.base, withFileTypes: true })) {
      if (!name.isFile()) continue
      const path = join(name.parentPath, name.name)
      if ((await readFile(path, 'latin1')).includes(trace)) found.push(path)
    }
    return found
  }

  test('of a person leave the lists with every file that held them, and others count from the next number on', async () => {
    await copyOfWhole()
    await add('weekend', String(person), trace)
    await add('late_night', String(person), 'again')
    await add('weekend', '420', 'of another')
    await add(null, String(person), 'a number in a list is nobody')
    expect(await traces()).not.toEqual([])
    expect((await findErasable(options(), [BigInt(person)])).rows['rules/lists']).toBe(2n)
    expect((await erasePersons(options(), [BigInt(person)])).rows['rules/lists']).toBe(2n)
    expect(await traces()).toEqual([])
    expect(await standing()).toEqual(['420 of another', `${person} a number in a list is nobody`])
    await add('weekend', '421', 'later')
    expect(await standing()).toHaveLength(3)
    expect((await erasePersons(options(), [99n])).rows).toEqual({})
    // Somebody who has a snooze and no rows.
    expect((await erasePersons(options(), [421n])).rows).toEqual({ 'rules/lists': 1n })
    expect(await standing()).toHaveLength(2)
  })
})

const text = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value)

describe('runs after an erasure', () => {
  test('go on where the one before ended, also with new records of the person', async () => {
    const half = records.slice(0, 120)
    await run(half)
    await erasePersons(options(), [BigInt(person)])
    await run(records, { finalize: true })
    const later = records.slice(120)
    const left = [...half.filter((record) => !isOfPerson(record)), ...later].map(positionText).sort()
    expect(await positionsOf(lakehouse.base, 'bronze/transactions')).toEqual(left)
    const split = [
      ...(await positionsOf(lakehouse.base, 'silver/transactions')),
      ...(await positionsOf(lakehouse.base, 'silver/quarantine')),
    ].sort()
    expect(split).toEqual(left)
    expect(await positionsOf(lakehouse.base, 'fraud_detection')).toEqual(
      await positionsOf(lakehouse.base, 'silver/transactions'),
    )
    expect(await erasePersons(options(), [BigInt(person)])).toMatchObject({ erase: 2n })
    expect(await tracesOf(lakehouse.base)).toEqual([])
  })

  test('bring a stream of its own from silver that was behind when the person was erased', async () => {
    await run(records.slice(0, 60))
    await run(records, { streams: ['kafka-to-delta'] })
    await erasePersons(options(), [BigInt(person)])
    await runOnce(lakehouse, { recordsPerBatchMax: 80, streams: ['fraud-detection'] })
    await runOnce(lakehouse, { recordsPerBatchMax: 80, streams: ['aggregations'] })
    expect(await positionsOf(lakehouse.base, 'fraud_detection')).toEqual(
      await positionsOf(lakehouse.base, 'silver/transactions'),
    )
    await run(records, { finalize: true })
    expect(await tracesOf(lakehouse.base)).toEqual([])
  })

  test('still know what was in force in the last batch', async () => {
    await copyOfWhole()
    await erasePersons(options(), [BigInt(person)])
    const codes: string[] = []
    await run(records, {
      parameters: { ...testParameters, dedup_micros: 60_000_000n },
      onNotice: ({ code }: { code: string }) => codes.push(code),
    })
    expect(codes).toEqual(['DEFINITIONS_CHANGED'])
  })

  test('make a derived table anew without the person', async () => {
    await copyOfWhole()
    await erasePersons(options(), [BigInt(person)])
    await rm(join(lakehouse.base, 'fraud_detection'), { recursive: true })
    await run()
    expect(await positionsOf(lakehouse.base, 'fraud_detection')).toEqual(
      await positionsOf(lakehouse.base, 'silver/transactions'),
    )
  })
})

describe('an erasure is refused', () => {
  test('while a stream runs that does not pause, with its process', async () => {
    await copyOfWhole()
    const lock = await lockStreams(lakehouse.base, ['aggregations'], { leaseMs: 30_000 })
    try {
      await expect(erasePersons({ ...options(), pauseMaxMs: 0 }, [BigInt(person)])).rejects.toMatchObject({
        code: 'STREAM_LOCKED',
        message: expect.stringContaining(`process ${process.pid}`),
      })
    } finally {
      await lock.release()
    }
  })

  test('while a batch is not in all tables', async () => {
    await run(records.slice(0, 60))
    // As a process that died behind bronze's commit leaves it.
    const child = spawn(process.execPath, [join(import.meta.dirname, 'killed-run.ts'), lakehouse.base], {
      stdio: 'inherit',
    })
    expect(await once(child, 'close')).toEqual([null, 'SIGKILL'])
    await expect(erasePersons(options(), [BigInt(person)])).rejects.toMatchObject({
      code: 'BATCHES_LEFT',
      message: expect.stringContaining('assay run kafka-to-delta --once'),
    })
    await run()
    expect(await erasePersons(options(), [BigInt(person)])).toMatchObject({
      records: BigInt(ofPerson.length),
    })
    expect(await tracesOf(lakehouse.base)).toEqual([])
  })
})

test('the note of an erasure says nothing of what the records held', async () => {
  await copyOfWhole()
  await erasePersons(options(), [BigInt(person)])
  const log = await readFile(join(lakehouse.base, 'ops/erased/_delta_log/00000000000000000002.json'), 'utf8')
  expect(log).toContain('"operation":"ERASE"')
  expect(log).not.toContain('user_id')
})
