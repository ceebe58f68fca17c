import { spawnSync } from 'node:child_process'
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { batchJson, parseBatch } from '../../../src/batches/progress.ts'
import { DeltaTable } from '../../../src/delta/index.ts'
import { commitPath } from '../../../src/delta/log-files.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { isItsTurn, turnSeed } from '../../turns.ts'
import {
  failedChecks,
  findingsOf,
  largestFile,
  replaceByCommit,
  rewriteInPlace,
  runPipeline,
  sampleLines,
  temporaryDirectory,
  verifyDamaged,
  writeLines,
} from './damaged-lakehouse.ts'

const { tables } = standardLakehouse

let work: string
let base: string

beforeAll(async () => {
  work = await temporaryDirectory()
  base = join(work, 'lake')
  const input = join(work, 'input')
  await writeLines(input, 'a.ndjson', sampleLines(420))
  await runPipeline(base, input)
  await runPipeline(base, input, { finalize: true })
})

afterAll(() => rm(work, { recursive: true, force: true }))

/** A change of rows, and the check that has to see it where the log itself is in order. */
const alterations: readonly (readonly [table: string, what: string, select: string, check: string])[] = [
  ...tables.flatMap(({ path }): [string, string, string, string][] => {
    const order = Object.keys(tables.find((one) => one.path === path)!.rows.schema).includes('offset')
      ? 'topic, partition, "offset"'
      : 'ALL'
    const check = {
      'bronze/transactions': 'offsets',
      'silver/transactions': 'split',
      'silver/quarantine': 'rows',
      fraud_detection: 'rows',
      'aggregations/sessions': 'sessions',
    }[path]
    return [
      [path, 'a row is gone', `SELECT * FROM rows ORDER BY ${order} OFFSET 1`, check ?? 'windows'],
      [
        path,
        'a row is doubled',
        `FROM rows UNION ALL (FROM rows ORDER BY ${order} LIMIT 1)`,
        check ?? 'windows',
      ],
    ].map((one) => {
      // A record that is in neither of the two is told with silver, the table that it is missing from first.
      return path === 'silver/quarantine' ? [one[0]!, one[1]!, one[2]!, 'silver/transactions, split'] : one
    }) as [string, string, string, string][]
  }),
  ['bronze/transactions', 'an offset is shifted', altered('"offset"', '"offset" + 1'), 'offsets'],
  [
    'bronze/transactions',
    'a time is of no batch',
    altered('processing_time', 'processing_time + INTERVAL 1 HOUR'),
    'offsets',
  ],
  [
    'bronze/transactions',
    'a value is another',
    altered('value', `encode('{"transaction_id":"x"}')`),
    'offsets',
  ],
  ['silver/transactions', 'an amount is another', altered('amount', 'amount + 0.01'), 'rows'],
  [
    'silver/transactions',
    'a null became text',
    "SELECT * REPLACE (coalesce(country, 'Mars') AS country) FROM rows",
    'rows',
  ],
  [
    'silver/transactions',
    'an event time is another',
    altered('event_time', 'event_time + INTERVAL 1 MICROSECOND'),
    'rows',
  ],
  [
    'silver/transactions',
    'a row is of a later batch',
    altered('processing_time', 'processing_time + INTERVAL 1 SECOND'),
    'rows',
  ],
  ['silver/quarantine', 'the reasons are others', altered('reasons', "['late', 'malformed']"), 'rows'],
  ['silver/quarantine', 'the bytes are others', altered('value', "encode('x')"), 'rows'],
  ['fraud_detection', 'a score is another', altered('fraud_score', 'fraud_score + 1'), 'rows'],
  ['fraud_detection', 'a velocity is another', altered('tx_count_30min', 'tx_count_30min + 1'), 'rows'],
  ['fraud_detection', 'a reason is gone', 'SELECT * REPLACE (reasons[2:] AS reasons) FROM rows', 'rows'],
  [
    'gold/transactions',
    'an average is a little off',
    altered('avg_amount', 'avg_amount * (1 + 1e-15)'),
    'windows',
  ],
  [
    'gold/transactions',
    'a window is another',
    altered('window_start', 'window_start - INTERVAL 7 DAY'),
    'windows',
  ],
  [
    'aggregations/merchant',
    'a distinct count is off',
    altered('unique_devices', 'unique_devices + 1'),
    'windows',
  ],
  ['aggregations/user', 'a flag is turned', altered('is_suspicious', 'NOT is_suspicious'), 'windows'],
  ['aggregations/country', 'a key is another', altered('city', "'Atlantis'"), 'windows'],
  [
    'aggregations/hourly_summary',
    'it was written too early',
    altered('aggregation_time', 'aggregation_time - INTERVAL 1 SECOND'),
    'windows',
  ],
  ['aggregations/sessions', 'a journey is another', altered('journey', "['x']"), 'sessions'],
]

/** All rows, the first one with another value. */
function altered(column: string, value: string): string {
  return `SELECT * EXCLUDE (number) REPLACE (CASE WHEN number = 1 THEN ${value} ELSE ${column} END AS ${column})
    FROM (SELECT *, row_number() OVER () AS number FROM rows)`
}

const itsTurn = (_: unknown, index: number): boolean => isItsTurn(turnSeed, index, 3)

describe(`rows that were changed are found (SEED=${turnSeed})`, () => {
  for (const [table, what, select, check] of alterations.filter(itsTurn)) {
    const expected = check.includes(',') ? check : `${table}, ${check}`
    test(`${table}: ${what}, by a commit`, async () => {
      const [told] = expected.split(', ')
      const verification = await verifyDamaged(base, (copy) => replaceByCommit(copy, table, select), told)
      expect(failedChecks(verification)).toContain(expected)
      expect(failedChecks(verification).filter((name) => name.endsWith('files'))).toEqual([])
      const [finding] = findingsOf(verification, ...(expected.split(', ') as [string, string]))
      expect(finding?.problem).toBeTruthy()
    })
  }

  test.each(
    [
      ['bronze/transactions', 'a row is gone', 'bronze/transactions, offsets'],
      ['silver/transactions', 'a row is of a later batch', 'silver/transactions, rows'],
      ['silver/transactions', 'an amount is another', 'silver/transactions, second reading'],
      ['silver/quarantine', 'the bytes are others', 'silver/quarantine, rows'],
      ['fraud_detection', 'a velocity is another', 'fraud_detection, rows'],
      ['gold/transactions', 'a window is another', 'gold/transactions, windows'],
    ].filter(itsTurn),
  )('%s: %s, found slice by slice', async (table, what, expected) => {
    const [, , select] = alterations.find((one) => one[0] === table && one[1] === what)!
    const damage = (copy: string) => replaceByCommit(copy, table, select)
    const verification = await verifyDamaged(base, damage, expected.split(', ')[0]!, { rowsAtOnce: 60 })
    expect(failedChecks(verification)).toContain(expected)
  })

  for (const { path } of tables.filter(itsTurn)) {
    test(`${path}: a file that was rewritten in place is named`, async () => {
      const { file } = await largestFile(base, path)
      const rewrite = (copy: string) => rewriteInPlace(copy, path, 'SELECT * FROM rows ORDER BY ALL OFFSET 1')
      const verification = await verifyDamaged(base, rewrite, path)
      expect(findingsOf(verification, path, 'files').map(({ at }) => at.file)).toContain(file.path)
    })

    test(`${path}: a file that is gone is named, and so are its rows`, async () => {
      const { file } = await largestFile(base, path)
      // What quarantine lacks is told with silver: the record is in neither of the two.
      const only = path === 'silver/quarantine' ? null : path
      const verification = await verifyDamaged(base, (copy) => rm(join(copy, path, file.path)), only)
      expect(findingsOf(verification, path, 'files')).toEqual([
        expect.objectContaining({ at: { file: file.path }, problem: 'the file is not there' }),
      ])
      expect(failedChecks(verification).length).toBeGreaterThan(1)
    })
  }

  test('files that no log names are told with their size, and are no failure', async () => {
    const verification = await verifyDamaged(
      base,
      async (copy) => {
        await writeFile(join(copy, 'fraud_detection', 'part-left.parquet'), 'x'.repeat(1_000))
        await writeFile(join(copy, 'fraud_detection', 'transaction_date=2026-09-21', 'part-2.parquet'), 'y')
      },
      'fraud_detection',
    )
    expect(failedChecks(verification)).toEqual([])
    const { notes } = verification.checks.find(({ check }) => check === 'files')!
    expect(notes).toEqual([expect.stringContaining('no log names 2 files of 1001 bytes')])
    expect(notes[0]).toContain('assay table vacuum fraud_detection')
  })

  test('a file whose end is cut off is named and does not hide the other findings', async () => {
    const { file } = await largestFile(base, 'silver/transactions')
    const verification = await verifyDamaged(base, (copy) =>
      truncate(join(copy, 'silver/transactions', file.path), Number(file.size) - 100),
    )
    const problems = findingsOf(verification, 'silver/transactions', 'files').map(({ problem }) => problem)
    expect(problems).toEqual(['the file has another size', expect.stringContaining('cannot be read: ')])
    expect(failedChecks(verification)).toContain('silver/transactions, split')
  })

  test('bounds in the log that do not hold are told with the column', async () => {
    const verification = await verifyDamaged(base, async (copy) => {
      const { table, file } = await largestFile(copy, 'silver/transactions')
      const stats = JSON.parse(file.statsJson!)
      stats.minValues.amount = 1_000_000
      stats.nullCount.device_id += 1
      const add = {
        path: file.path,
        partitionValues: file.partitionValues,
        size: Number(file.size),
        dataChange: false,
      }
      const action = { add: { ...add, modificationTime: 0, stats: JSON.stringify(stats) } }
      const { version } = await table.snapshot()
      await writeFile(commitPath(table.directory, version + 1n), `${JSON.stringify(action)}\n`)
    })
    const findings = findingsOf(verification, 'silver/transactions', 'files')
    expect(findings.map(({ column }) => column).sort()).toEqual(['amount', 'device_id'])
  })
})

describe('logs that were changed are found', () => {
  for (const table of ['bronze/transactions', 'silver/transactions', 'fraud_detection'].filter(itsTurn)) {
    test(`a byte that was flipped in a file of ${table}: the file is named`, async () => {
      const { file } = await largestFile(base, table)
      let found = 0
      for (const share of [0.1, 0.5, 0.95]) {
        const verification = await verifyDamaged(base, async (copy) => {
          const path = join(copy, table, file.path)
          const bytes = await readFile(path)
          bytes[Math.floor(bytes.length * share)]! ^= 0xff
          await writeFile(path, bytes)
        })
        if (verification.ok) continue // Nothing that is read lies there.
        const named = verification.checks.flatMap((check) =>
          check.findings.flatMap(({ at }) => [
            check.table === table ? at.file : undefined,
            at[`file in ${table}`],
          ]),
        )
        expect(named, `byte at ${share}`).toContain(file.path)
        found += 1
      }
      expect(found).toBeGreaterThan(0)
    })
  }

  test('a log that cannot be read, a table that is not there', async () => {
    const verification = await verifyDamaged(base, async (copy) => {
      const [first] = (await readdir(join(copy, 'gold/transactions/_delta_log'))).filter((one) =>
        /^0.*json$/.test(one),
      )
      await writeFile(join(copy, 'gold/transactions/_delta_log', first!), 'not json\n')
      await rm(join(copy, 'silver/quarantine'), { recursive: true })
      await rm(join(copy, 'aggregations/user'), { recursive: true })
    })
    expect(failedChecks(verification)).toContain('gold/transactions, log')
    expect(failedChecks(verification)).toContain('silver/quarantine, log')
    expect(failedChecks(verification)).toContain('aggregations/user, log')
  })

  test('offsets and batches that go back', async () => {
    const verification = await verifyDamaged(base, async (copy) => {
      const table = await DeltaTable.open(join(copy, 'silver/transactions'))
      const { version, lastCommitInfo } = await table.snapshot()
      const last = parseBatch(lastCommitInfo?.userMetadata)!
      const progress = { ...last.progress, batch: last.progress.batch - 1n }
      await table.commit(null, { userMetadata: batchJson({ ...last, progress }) })
      expect((await table.snapshot()).version).toBe(version + 1n)
    })
    const findings = findingsOf(verification, 'silver/transactions', 'commits')
    expect(findings.map(({ column }) => column)).toContain('batch')
  })
})

test('the command names what is damaged and ends with 1', async () => {
  const { file } = await largestFile(base, 'gold/transactions')
  await verifyDamaged(base, async (copy) => {
    await rm(join(copy, 'gold/transactions', file.path))
    const verify = (...flags: string[]) =>
      spawnSync(
        process.execPath,
        [join(import.meta.dirname, '../../../bin/assay.js'), 'verify', 'gold.transactions', ...flags],
        { env: { ...process.env, DELTA_BASE_PATH: copy }, encoding: 'utf8' },
      )
    const { status, stdout } = verify()
    expect(stdout).toContain(file.path)
    expect(stdout).toContain('the file is not there')
    expect(status).toBe(1)
    // All batches were before.
    expect(verify('--since', '2028-01-01').stdout).toContain('ok      gold.transactions, windows: 0 groups')
    const wrong = verify('--since', 'yesterday')
    expect(wrong.stderr).toContain('A time such as 2026-10-01')
    expect(wrong.status).toBe(2)
  })
})

describe('records with the offsets of Kafka', () => {
  /** The rows of bronze as if they came from a topic: every second offset, each with a record timestamp. */
  const asTopic = (offset: string): string => `SELECT * REPLACE (CAST(${offset} AS BIGINT) AS "offset",
    processing_time AS kafka_timestamp) FROM (SELECT *, row_number() OVER (ORDER BY topic, "offset") AS number FROM rows)`

  test('holes are told and are no failure; an offset beyond the progress is one', async () => {
    const at = join(work, 'topic')
    await writeLines(join(at, 'input'), 'a.ndjson', sampleLines(30))
    await runPipeline(join(at, 'lake'), join(at, 'input'))
    const verifyAs = (offset: string) =>
      verifyDamaged(
        join(at, 'lake'),
        (copy) =>
          replaceByCommit(
            copy,
            'bronze/transactions',
            asTopic(offset).replace('SELECT *', 'SELECT * EXCLUDE (number)'),
          ),
        'bronze/transactions',
      )
    const holes = await verifyAs('number * 2')
    expect(failedChecks(holes)).toEqual([])
    expect(holes.checks.flatMap(({ notes }) => notes).join()).toContain('holes in the offsets')
    const beyond = await verifyAs('number + 1000000')
    expect(failedChecks(beyond)).toEqual(['bronze/transactions, offsets'])
    expect(findingsOf(beyond, 'bronze/transactions', 'offsets').map(({ problem }) => problem)).toContain(
      'is beyond the progress',
    )
  })
})
