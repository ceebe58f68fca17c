// A commit file that a crash or a broken copy left short is an error that names it, wherever it is.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseCommit } from '../../../src/delta/commit-parse.ts'
import { DeltaTable, type DeltaTableDefinition } from '../../../src/delta/index.ts'
import { column, Workshop } from './workshop.ts'

const definition: DeltaTableDefinition = {
  fields: [column('id', 'long'), column('p', 'string')],
  partitionColumns: ['p'],
}

let workshop: Workshop
let table: DeltaTable
let log: string
beforeEach(async () => {
  workshop = await Workshop.open()
  table = await DeltaTable.createOrEvolve(workshop.path('t'), definition)
  log = join(table.directory, '_delta_log')
})
afterEach(() => workshop.close())

const nameOf = (version: number) => `${String(version).padStart(20, '0')}.json`

/** Every kind of commit that we write. */
async function everyCommit(): Promise<void> {
  const { connection } = workshop
  await table.append(connection, "SELECT range AS id, 'a' AS p FROM range(3)", { appId: 'a', version: 1n })
  await table.append(connection, "SELECT range AS id, 'p' || range AS p FROM range(3)", {
    ...{ appId: 'a', version: 2n, txns: { b: 1n, c: 2n }, userMetadata: 'text' },
  })
  await table.commit(null, { txns: { claim: 1n, since: 2n }, operation: 'CLAIM' })
  await table.append(connection, "SELECT 7 AS id, 'a' AS p", { appId: 'a', version: 3n })
  await table.optimize(connection)
  await table.deleteRows(connection, 'id = 1')
  await DeltaTable.createOrEvolve(table.directory, {
    ...definition,
    fields: [...definition.fields, column('n', 'long')],
  })
}

test('a commit of ours that lacks a line, or all of them, is refused by its name', async () => {
  await everyCommit()
  const names = (await readdir(log)).filter((name) => name.endsWith('.json'))
  expect(names).toHaveLength(8)
  for (const name of names) {
    const whole = await readFile(join(log, name), 'utf8')
    const lines = whole.trimEnd().split('\n')
    for (let kept = 0; kept < lines.length; kept++) {
      const text = lines.slice(0, kept).join('\n')
      for (const cut of [text, `${text}\n`]) {
        await writeFile(join(log, name), cut)
        await expect(DeltaTable.open(table.directory), `${name}, ${kept} lines`).rejects.toMatchObject({
          code: 'DELTA_LOG_CORRUPT',
          message: expect.stringContaining(name),
        })
      }
    }
    await writeFile(join(log, name), `${whole}${lines.at(-1)}\n`) // A line twice.
    await expect(DeltaTable.open(table.directory)).rejects.toMatchObject({ code: 'DELTA_LOG_CORRUPT' })
    await writeFile(join(log, name), whole)
  }
  expect((await (await DeltaTable.open(table.directory)).snapshot()).version).toBe(7n)
})

describe('a table that is open', () => {
  test('tells of an emptied commit at the end of the log, and of one that it follows', async () => {
    await everyCommit()
    const reader = await DeltaTable.open(table.directory)
    await writeFile(join(log, nameOf(3)), '')
    const follow = async () => {
      for await (const commit of reader.commits(1n)) expect(commit.version).toBeLessThan(3n)
    }
    await expect(follow()).rejects.toMatchObject({ message: expect.stringContaining(nameOf(3)) })
    await writeFile(join(log, nameOf(8)), '\n')
    await expect(reader.snapshot()).rejects.toMatchObject({ message: expect.stringContaining(nameOf(8)) })
    await expect(reader.commit(null)).rejects.toMatchObject({ code: 'DELTA_LOG_CORRUPT' })
  })

  test('tells a commit that is missing in the middle from a log that was cleaned up', async () => {
    await everyCommit()
    await rm(join(log, nameOf(3)))
    const follow = async (after: bigint) => {
      for await (const commit of table.commits(after)) expect(commit).toBeDefined()
    }
    await expect(follow(1n)).rejects.toMatchObject({ code: 'DELTA_LOG_CORRUPT' })
    for (const version of [0, 1, 2]) await rm(join(log, nameOf(version)))
    await expect(follow(1n)).rejects.toMatchObject({ code: 'DELTA_LOG_TRUNCATED' })
  })
})

test('a damaged commit behind a checkpoint is told by its name, however many checkpoints there are', async () => {
  await everyCommit()
  await table.checkpoint()
  await table.commit(null, { txns: { z: 1n } })
  await writeFile(join(log, nameOf(8)), '')
  await rm(join(log, nameOf(0)))
  await expect(DeltaTable.open(table.directory)).rejects.toMatchObject({
    code: 'DELTA_LOG_CORRUPT',
    message: expect.stringContaining(nameOf(8)),
  })
})

describe('commits of others', () => {
  const add = (rows: number | null) => ({
    add: {
      ...{ path: `${rows}.parquet`, partitionValues: {}, size: 1, modificationTime: 1, dataChange: true },
      ...(rows === null ? {} : { stats: JSON.stringify({ numRecords: rows }) }),
    },
  })
  const remove = { remove: { path: 'x', deletionTimestamp: 1, dataChange: true } }
  const spark = 'Apache-Spark/4.1.1 Delta-Lake/4.4.0'
  const parse = (commitInfo: Record<string, unknown> | null, ...actions: object[]) => {
    const lines = [...(commitInfo === null ? [] : [{ commitInfo }]), ...actions]
    return parseCommit(1n, lines.map((line) => JSON.stringify(line)).join('\n'), 0, 'file')
  }

  test.each<[string, Record<string, unknown> | null, object[]]>([
    ['has no commitInfo', null, [add(1)]],
    ['has nothing but commitInfo', { operation: 'VACUUM START', engineInfo: spark }, []],
    ['has no figures', { operation: 'WRITE', engineInfo: spark }, [add(1)]],
    ['is of a writer that nobody knows', { engineInfo: 'x', operationMetrics: { numFiles: '9' } }, [add(1)]],
    [
      'counted a file without rows, which Spark leaves out',
      { operation: 'WRITE', engineInfo: spark, operationMetrics: { numFiles: '1', numOutputRows: '0' } },
      [],
    ],
    [
      'counted rows that a repeated task counted twice',
      {
        operation: 'MERGE',
        engineInfo: spark,
        operationMetrics: { numTargetFilesAdded: '1', numOutputRows: '9' },
      },
      [add(1)],
    ],
    [
      'counted rows of files without statistics',
      { operation: 'WRITE', engineInfo: spark, operationMetrics: { numFiles: '1', numOutputRows: '9' } },
      [add(null)],
    ],
    [
      'counted files of the change data feed',
      { operation: 'DELETE', engineInfo: 'delta-rs:1', operationMetrics: { num_added_files: 2 } },
      [add(1), { cdc: { path: 'c', partitionValues: {}, size: 1, dataChange: false } }, remove],
    ],
    [
      'has figures that are no numbers',
      { operation: 'WRITE', engineInfo: 'delta-rs:1', operationMetrics: { num_added_files: 'many' } },
      [add(1)],
    ],
  ])('one that %s is whole', (_what, commitInfo, actions) => {
    expect(parse(commitInfo, ...actions).version).toBe(1n)
  })

  test.each<[string, Record<string, unknown>, object[]]>([
    [
      'an added file',
      { operation: 'WRITE', operationMetrics: { numFiles: '2', numOutputRows: '2' } },
      [add(1)],
    ],
    ['rows', { operation: 'STREAMING UPDATE', operationMetrics: { numOutputRows: '2' } }, [add(1)]],
    ['a removed file', { operation: 'OPTIMIZE', operationMetrics: { numRemovedFiles: '2' } }, [remove]],
    ['all files', { operation: 'MERGE', operationMetrics: { numTargetFilesRemoved: '1' } }, []],
    [
      'a restored file',
      { operation: 'RESTORE', operationMetrics: { numRestoredFiles: '2' } },
      [add(1), remove],
    ],
  ])('one that lacks %s is refused', (_what, commitInfo, actions) => {
    expect(() => parse({ ...commitInfo, engineInfo: spark }, ...actions)).toThrow(/file: its commitInfo says/)
  })
})
