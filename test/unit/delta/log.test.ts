import { copyFile, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DeltaTable, type DeltaTableDefinition } from '../../../src/delta/index.ts'
import { encodePath } from '../../../src/delta/paths.ts'
import { intervalMs } from '../../../src/delta/properties.ts'
import { column, Workshop } from './workshop.ts'

const definition: DeltaTableDefinition = {
  fields: [column('id', 'long'), column('p', 'string')],
  partitionColumns: ['p'],
  properties: { 'delta.checkpointInterval': '5' },
}
const dayMs = 86_400_000

let workshop: Workshop
let table: DeltaTable
let log: string
beforeEach(async () => {
  workshop = await Workshop.open()
  table = await DeltaTable.createOrEvolve(workshop.path('t'), definition)
  log = join(table.directory, '_delta_log')
})
afterEach(() => workshop.close())

const fileOf = (version: number, kind = 'json') => join(log, `${String(version).padStart(20, '0')}.${kind}`)
const checkpointOf = (version: number) => fileOf(version, 'checkpoint.parquet')

async function append(from: number, to: number): Promise<void> {
  for (let version = from; version <= to; version++) {
    const query = `SELECT ${version} AS id, 'p"=/' || ${version % 2} AS p`
    await table.append(workshop.connection, query, {
      appId: 'a',
      version: BigInt(version),
      txns: { [`b${version}`]: 1n },
    })
    await table.settled()
  }
}

/** What a fresh reader makes of the log. */
async function reopened() {
  const { version, files, txns, metadata, protocol, numRecords } = await (
    await DeltaTable.open(table.directory)
  ).snapshot()
  return { version, files: [...files.values()], txns: [...txns.values()], metadata, protocol, numRecords }
}

describe('checkpoints', () => {
  test('a table that is read from a checkpoint is the table that is read from its commits', async () => {
    await append(1, 12)
    const fromCheckpoint = await reopened()
    expect((await readdir(log)).filter((name) => name.includes('checkpoint'))).toEqual([
      '00000000000000000005.checkpoint.parquet',
      '00000000000000000010.checkpoint.parquet',
      '_last_checkpoint',
    ])
    expect(JSON.parse(await readFile(join(log, '_last_checkpoint'), 'utf8'))).toMatchObject({
      version: 10,
      numOfAddFiles: 10,
    })
    for (const version of [5, 10]) await rm(checkpointOf(version))
    const fromCommits = await reopened()
    const state = (found: typeof fromCommits) => ({
      ...found,
      files: found.files.map(({ dataChange: _, ...file }) => file),
    })
    expect(state(fromCheckpoint)).toEqual(state(fromCommits))
    expect(fromCommits.version).toBe(12n)
  })

  test('a checkpoint that is damaged, or a hint that is, costs only time', async () => {
    await append(1, 12)
    await writeFile(checkpointOf(10), 'PAR1 damaged')
    await writeFile(join(log, '_last_checkpoint'), '{')
    expect(await reopened()).toMatchObject({ version: 12n, numRecords: 12n })
    await writeFile(checkpointOf(5), '')
    expect(await reopened()).toMatchObject({ version: 12n, numRecords: 12n })
    await rm(fileOf(3))
    await expect(reopened()).rejects.toMatchObject({ code: 'DELTA_LOG_CORRUPT' })
  })

  test('a checkpoint of several parts is read when all parts are there', async () => {
    await append(1, 11)
    const part = (part: number) => fileOf(10, `checkpoint.000000000${part}.0000000002.parquet`)
    const halves = ["kind <> 'add'", "kind = 'add'"]
    for (const [index, condition] of halves.entries()) {
      await workshop.connection.run(
        `COPY (SELECT * EXCLUDE kind FROM (SELECT *, CASE WHEN "add" IS NULL THEN '' ELSE 'add' END AS kind
          FROM read_parquet('${checkpointOf(10)}')) WHERE ${condition})
          TO '${part(index + 1)}' (FORMAT parquet)`,
      )
    }
    await rm(checkpointOf(10))
    await rm(checkpointOf(5))
    await rm(fileOf(2)) // Now only the parts lead to the newest version.
    expect(await reopened()).toMatchObject({ version: 11n, numRecords: 11n })
    await rm(part(2))
    await expect(reopened()).rejects.toMatchObject({ code: 'DELTA_LOG_CORRUPT' })
  })

  test('a checkpoint that cannot be written fails no commit, and the next makes up for it', async () => {
    await append(1, 4)
    await writeFile(checkpointOf(5), 'in the way')
    await rm(checkpointOf(5))
    const { mkdir, rmdir } = await import('node:fs/promises')
    await mkdir(checkpointOf(5))
    await append(5, 5)
    expect(table.checkpointFailure).toMatchObject({ code: expect.any(String) })
    await rmdir(checkpointOf(5))
    await append(6, 6)
    expect(table.checkpointFailure).toBeNull()
    expect(await readdir(log)).toContain('00000000000000000006.checkpoint.parquet')
  })
})

describe('the age of a log', () => {
  const age = async (to: number, days: number) => {
    for (let version = 0; version <= to; version++) {
      const time = new Date(Date.now() - days * dayMs + version * 1000)
      await utimes(fileOf(version), time, time)
    }
  }

  test('expired versions are deleted behind a checkpoint; a reader behind them is told', async () => {
    await append(1, 9)
    const commits = table.commits(0n)
    expect((await commits.next()).value).toMatchObject({ version: 1n })
    await age(7, 40)
    await append(10, 10)
    expect((await readdir(log)).filter((name) => name.endsWith('.json'))[0]).toBe('00000000000000000005.json')
    expect(await reopened()).toMatchObject({ version: 10n, numRecords: 10n })
    await expect(commits.next()).rejects.toMatchObject({ code: 'DELTA_LOG_TRUNCATED' })
    await expect(table.snapshot({ version: 3n })).rejects.toMatchObject({ code: 'DELTA_VERSION_NOT_FOUND' })
    expect((await table.snapshot({ version: 6n })).numRecords).toBe(6n)
    expect((await table.history()).map((entry) => entry.version)).toEqual([10n, 9n, 8n, 7n, 6n, 5n])
  })

  test('nothing is deleted that no checkpoint stands in for, or that the table wants to keep', async () => {
    await append(1, 4)
    await age(4, 40)
    await append(5, 5)
    expect(await readdir(log)).toContain('00000000000000000000.json')
  })

  test('a file that was removed is in a checkpoint until its retention is over', async () => {
    await append(1, 3)
    await table.optimize(workshop.connection)
    const removesAt = async (nowMs: number) => {
      await table.checkpoint({ nowMs })
      const { version } = await table.snapshot()
      const sql = `SELECT count(*)::INTEGER AS n FROM read_parquet('${checkpointOf(Number(version))}')
        WHERE "remove" IS NOT NULL`
      return (await workshop.connection.runAndReadAll(sql)).getRows()[0]?.[0]
    }
    expect(await removesAt(Date.now() + 6 * dayMs)).toBe(2)
    expect(await removesAt(Date.now() + 8 * dayMs)).toBe(0)
  })

  test.each([
    ['interval 30 days', 30 * dayMs],
    ['1 week 12 hours', 7.5 * dayMs],
    ['interval 1 month', null],
    ['soon', null],
  ])('%s is %s ms', (text, expected) => {
    expect(intervalMs(text)).toBe(expected)
  })
})

describe('reading a table that others change', () => {
  test('commits come whole and in order, each once', async () => {
    const other = await DeltaTable.open(table.directory)
    await append(1, 2)
    await table.optimize(workshop.connection)
    await append(3, 4)
    await table.optimize(workshop.connection)
    const seen: [bigint, boolean, number][] = []
    for await (const commit of other.commits(1n))
      seen.push([commit.version, commit.dataChange, commit.adds.length])
    expect(seen).toEqual([
      [2n, true, 1],
      [3n, true, 1],
      [4n, true, 1],
      [5n, false, 2],
    ])
  })

  test('waiting ends with the next version, with the time, or with the signal', async () => {
    const reader = await DeltaTable.open(table.directory)
    const { signal } = new AbortController()
    const waiting = reader.waitForVersion(0n, 20_000, signal)
    await append(1, 1)
    expect(await waiting).toBe(1n)
    expect(await reader.waitForVersion(0n, 20_000, signal)).toBe(1n)
    expect(await reader.waitForVersion(1n, 20, signal)).toBe(1n)
    const aborting = new AbortController()
    const aborted = expect(reader.waitForVersion(1n, 20_000, aborting.signal)).rejects.toThrow('enough')
    aborting.abort(new Error('enough'))
    await aborted
  })

  test('an earlier version, or a time, shows the table as it was', async () => {
    await append(1, 6)
    for (let version = 0; version <= 6; version++)
      await utimes(fileOf(version), 1000 + version, 1000 + version)
    expect(await table.versionAtTime(1_003_500)).toBe(3n)
    const rows = await workshop.rows(table, ['id'], { version: 3n })
    expect(rows.map((row) => row.id)).toEqual(['1', '2', '3'])
    await expect(table.versionAtTime(999_000)).rejects.toMatchObject({ code: 'DELTA_VERSION_NOT_FOUND' })
    await expect(table.snapshot({ version: 7n })).rejects.toMatchObject({ code: 'DELTA_VERSION_NOT_FOUND' })
  })

  test('history and description say what was done', async () => {
    await append(1, 1)
    const [newest, oldest] = await table.history()
    expect(newest).toMatchObject({
      version: 1n,
      operation: 'WRITE',
      filesAdded: 1,
      operationMetrics: { numOutputRows: '1' },
    })
    expect(oldest).toMatchObject({ version: 0n, operation: 'CREATE TABLE' })
    expect(await table.history(1)).toHaveLength(1)
    expect(await table.describe()).toMatchObject({
      version: 1n,
      fileCount: 1,
      numRecords: 1n,
      partitionColumns: ['p'],
    })
  })
})

describe('logs of other writers', () => {
  const rewriteFirst = async (change: (line: Record<string, unknown>) => Record<string, unknown>) => {
    const lines = (await readFile(fileOf(0), 'utf8')).trimEnd().split('\n')
    await rm(fileOf(0))
    await writeFile(fileOf(0), lines.map((line) => JSON.stringify(change(JSON.parse(line)))).join('\n'))
  }
  const protocol = (fields: Record<string, unknown>) => (line: Record<string, unknown>) =>
    'protocol' in line ? { protocol: fields } : line

  const setting = (configuration: Record<string, string>) => (line: Record<string, unknown>) =>
    'metaData' in line ? { metaData: { ...(line.metaData as object), configuration } } : line
  const features = (...readerFeatures: string[]) => ({
    ...{ minReaderVersion: 3, minWriterVersion: 7, readerFeatures },
    writerFeatures: readerFeatures,
  })
  const mapped = { 'delta.columnMapping.mode': 'name' }

  test.each([
    ['a reader feature', features('v2Checkpoint'), {}, 'v2Checkpoint'],
    ['column mapping', { minReaderVersion: 2, minWriterVersion: 5 }, mapped, 'columnMapping (mode name)'],
    ['column mapping as a feature', features('columnMapping'), mapped, 'columnMapping (mode name)'],
    ['a later reader version', { minReaderVersion: 4, minWriterVersion: 7 }, {}, 'reader version 4'],
  ])('a table with %s is not read, and the message names it', async (_what, fields, configuration, name) => {
    await rewriteFirst(protocol(fields))
    await rewriteFirst(setting(configuration))
    await expect(DeltaTable.open(table.directory)).rejects.toMatchObject({
      code: 'DELTA_FEATURE_UNSUPPORTED',
      message: expect.stringContaining(name),
    })
  })

  test.each([
    ['deletion vectors', features('deletionVectors')],
    ['column mapping', { minReaderVersion: 2, minWriterVersion: 5 }],
    ['several', features('columnMapping', 'timestampNtz', 'typeWidening', 'vacuumProtocolCheck')],
  ])('a table that lists %s and makes no use of it is read, and not written', async (_what, fields) => {
    await append(1, 1)
    await rewriteFirst(protocol(fields))
    const opened = await DeltaTable.open(table.directory)
    expect((await opened.snapshot()).numRecords).toBe(1n)
    const refused = { code: 'DELTA_FEATURE_UNSUPPORTED' }
    await expect(opened.commit(null)).rejects.toMatchObject(refused)
    await expect(opened.checkpoint()).rejects.toMatchObject(refused)
    await expect(opened.vacuum()).rejects.toMatchObject(refused)
  })

  test('a file with a deletion vector is refused, and read again when it is gone', async () => {
    await append(1, 1)
    await rewriteFirst(protocol(features('deletionVectors')))
    const opened = await DeltaTable.open(table.directory)
    const [file] = (await opened.snapshot()).files.values()
    const add = {
      ...{ path: encodePath(file!.path), partitionValues: file!.partitionValues, size: Number(file!.size) },
      ...{ modificationTime: 1, dataChange: true, stats: file!.statsJson },
    }
    const remove = { path: encodePath(file!.path), deletionTimestamp: 1, dataChange: true }
    const deletionVector = { storageType: 'u', pathOrInlineDv: 'x', sizeInBytes: 1, cardinality: 1 }
    const lines = (...actions: object[]) => actions.map((action) => `${JSON.stringify(action)}\n`).join('')
    // Spark puts the removal of the file without its vector behind the file with it.
    await writeFile(fileOf(2), lines({ add: { ...add, deletionVector } }, { remove }))
    const refused = {
      code: 'DELTA_FEATURE_UNSUPPORTED',
      message: expect.stringMatching(/part-.* has a deletion vector/),
    }
    for (let turn = 0; turn < 2; turn++) await expect(opened.snapshot()).rejects.toMatchObject(refused)
    await expect(DeltaTable.open(table.directory)).rejects.toMatchObject(refused)
    await writeFile(fileOf(3), lines({ remove: { ...remove, deletionVector } }, { add }))
    expect((await opened.snapshot()).numRecords).toBe(1n)
    expect((await reopened()).numRecords).toBe(1n)
    const follow = async () => {
      for await (const commit of opened.commits(0n)) expect(commit.version).toBe(1n)
    }
    await expect(follow()).rejects.toMatchObject(refused)
  })

  test.each([
    [
      'a writer feature',
      { minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['appendOnly', 'rowTracking'] },
      'rowTracking',
    ],
    ['a later writer version', { minReaderVersion: 1, minWriterVersion: 8 }, 'writer version 8'],
  ])('a table with %s is read but not written', async (_what, fields, name) => {
    await rewriteFirst(protocol(fields))
    const opened = await DeltaTable.open(table.directory)
    expect((await opened.snapshot()).version).toBe(0n)
    await expect(opened.commit(null, { appId: 'a', version: 1n })).rejects.toMatchObject({
      code: 'DELTA_FEATURE_UNSUPPORTED',
      message: expect.stringContaining(name),
    })
  })

  test('a table that lists only features which it does not use is written', async () => {
    const writerFeatures = [
      'appendOnly',
      'invariants',
      'checkConstraints',
      'generatedColumns',
      'changeDataFeed',
    ]
    await rewriteFirst(protocol({ minReaderVersion: 1, minWriterVersion: 7, writerFeatures }))
    const opened = await DeltaTable.open(table.directory)
    expect(await opened.commit(null, { appId: 'a', version: 1n })).toMatchObject({ kind: 'committed' })
    await opened.checkpoint()
    expect((await reopened()).protocol.writerFeatures).toEqual(writerFeatures)
  })

  test('a table that only a v2 checkpoint leads to is refused by the name of the feature', async () => {
    await append(1, 1)
    await rename(fileOf(0), fileOf(0, `checkpoint.${crypto.randomUUID()}.json`))
    await expect(reopened()).rejects.toMatchObject({
      code: 'DELTA_FEATURE_UNSUPPORTED',
      message: expect.stringContaining('v2Checkpoint'),
    })
  })

  test('an unknown action or field changes nothing; a broken line is named', async () => {
    await append(1, 1)
    await writeFile(
      fileOf(2),
      '{"domainMetadata":{"domain":"x"}}\n{"future":{}}\n\n{"txn":{"appId":"z","version":4,"more":1}}\n',
    )
    expect((await table.snapshot()).txns.get('z')?.version).toBe(4n)
    await writeFile(fileOf(3), '{"add":')
    await expect(table.snapshot()).rejects.toMatchObject({
      code: 'DELTA_LOG_CORRUPT',
      message: expect.stringContaining('003.json'),
    })
  })

  test('a hole in the log is an error, not the end of the table', async () => {
    await append(1, 3)
    await rename(fileOf(2), fileOf(99))
    await expect(reopened()).rejects.toMatchObject({ code: 'DELTA_LOG_CORRUPT' })
    await copyFile(fileOf(99), fileOf(2))
  })
})

test('a directory that no file system can hold is refused at once, with the reason of the system', async () => {
  const impossible = DeltaTable.createOrEvolve('/proc/none/table', definition)
  await expect(impossible).rejects.toMatchObject({ code: 'ENOENT' })
})
