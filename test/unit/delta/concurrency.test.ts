import { execFile, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DeltaTable, type DeltaTableDefinition } from '../../../src/delta/index.ts'
import { column, Workshop } from './workshop.ts'

const definition: DeltaTableDefinition = { fields: [column('id', 'long')], partitionColumns: [] }

let workshop: Workshop
let first: DeltaTable
let second: DeltaTable
beforeEach(async () => {
  workshop = await Workshop.open()
  first = await DeltaTable.createOrEvolve(workshop.path('t'), definition)
  second = await DeltaTable.open(workshop.path('t'))
})
afterEach(() => workshop.close())

/** A program that appends versions 0 to 14 of an application, one row each. */
async function writerScript(): Promise<string> {
  const module = new URL('../../../src/delta/index.ts', import.meta.url).href
  const duckdb = import.meta.resolve('@duckdb/node-api')
  const script = workshop.path('writer.ts')
  await writeFile(
    script,
    `import { DuckDBInstance } from ${JSON.stringify(duckdb)}
    import { DeltaTable } from ${JSON.stringify(module)}
    const [directory, appId] = process.argv.slice(2)
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const table = await DeltaTable.open(directory!)
    for (let version = 0; version < 15; version++) {
      const options = { appId: appId!, version: BigInt(version) }
        await table.append(connection, 'SELECT ' + version + ' AS id', options)
    }`,
  )
  return script
}

describe('writers of one table', () => {
  test('appends of two objects follow each other, whoever staged first', async () => {
    const staged = await first.stage(workshop.connection, 'SELECT 1 AS id')
    expect(
      await second.append(workshop.connection, 'SELECT 2 AS id', { appId: 'b', version: 1n }),
    ).toMatchObject({ version: 1n })
    expect(await first.commit(staged, { appId: 'a', version: 1n })).toEqual({
      kind: 'committed',
      version: 2n,
    })
    expect((await workshop.rows(second, ['id'])).map((row) => row.id)).toEqual(['1', '2'])
  })

  test('many commits at once all get a version of their own', async () => {
    const tables = await Promise.all(Array.from({ length: 4 }, () => DeltaTable.open(first.directory)))
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        tables[index % 4]!.commit(null, { appId: `app ${index}`, version: 1n }),
      ),
    )
    expect(new Set(outcomes.map((outcome) => outcome.version)).size).toBe(40)
    const { version, txns } = await first.snapshot()
    expect([version, txns.size]).toEqual([40n, 40])
  })

  test('the second of two writers with the same application version is skipped', async () => {
    const staged = await first.stage(workshop.connection, 'SELECT 1 AS id')
    await second.append(workshop.connection, 'SELECT 1 AS id', { appId: 'a', version: 3n })
    expect(await first.commit(staged, { appId: 'a', version: 3n })).toEqual({
      kind: 'skipped',
      version: 1n,
      recorded: 3n,
    })
    expect((await first.snapshot()).numRecords).toBe(1n)
  })

  test('rows staged before a column was added are committed; before one changed, refused', async () => {
    const staged = await first.stage(workshop.connection, 'SELECT 1 AS id')
    await DeltaTable.createOrEvolve(first.directory, {
      ...definition,
      fields: [...definition.fields, column('n', 'long')],
    })
    expect(await first.commit(staged, {})).toMatchObject({ kind: 'committed' })
    const { metadata } = await first.snapshot()
    const schemaString = JSON.stringify({ type: 'struct', fields: [column('id', 'string')] })
    const replaced = {
      metaData: {
        id: metadata.id,
        format: { provider: 'parquet', options: {} },
        schemaString,
        partitionColumns: [],
        configuration: {},
      },
    }
    await writeFile(
      join(first.directory, '_delta_log', '00000000000000000003.json'),
      JSON.stringify(replaced),
    )
    await expect(first.commit(staged, {})).rejects.toMatchObject({
      code: 'DELTA_COMMIT_CONFLICT',
      message: expect.stringContaining('the column id was changed from long to string'),
    })
  })

  test('a compaction gives way to a writer who removed its files, and follows an append', async () => {
    for (const id of [1, 2, 3]) {
      await first.append(workshop.connection, `SELECT ${id} AS id`, { appId: 'a', version: BigInt(id) })
    }
    const { compact, planCompaction } = await import('../../../src/delta/optimize.ts')
    const { decideCommit } = await import('../../../src/delta/commit.ts')
    const snapshot = await first.snapshot()
    const draft = await compact(
      first.directory,
      snapshot,
      planCompaction(snapshot, {}),
      workshop.connection,
      {},
    )
    const facts = {
      version: 9n,
      files: new Map(snapshot.files),
      txns: new Map(),
      metadata: snapshot.metadata,
      lastRemoval: null,
      lastRestore: null,
    }
    expect(decideCommit(draft, facts)).toEqual({ kind: 'write', version: 10n })
    const [path] = facts.files.keys()
    facts.files.delete(path!)
    expect(decideCommit(draft, facts)).toEqual({ kind: 'conflict', reason: `another commit removed ${path}` })
  })

  test('a writer killed at any moment leaves a readable table that the next one continues', async () => {
    const script = await writerScript()
    for (let attempt = 0; attempt < 5; attempt++) {
      const child = spawn(process.execPath, [script, first.directory, 'a'], { stdio: 'ignore' })
      const ended = new Promise((resolve) => child.once('exit', resolve))
      const before = (await second.snapshot()).version
      await Promise.race([second.waitForVersion(before, 20_000, new AbortController().signal), ended])
      child.kill('SIGKILL')
      await ended
      const reopened = await (await DeltaTable.open(first.directory)).snapshot()
      expect(reopened.numRecords).toBe(reopened.version)
      expect((await workshop.rows(second, ['id'])).map((row) => Number(row.id))).toEqual(
        Array.from({ length: Number(reopened.version) }, (_, index) => index),
      )
    }
  })

  test('two processes that append at the same time lose and double nothing', async () => {
    const script = await writerScript()
    const run = promisify(execFile)
    // Writer "a" runs twice over: what it repeats must be skipped.
    await Promise.all(['a', 'b', 'a'].map((appId) => run(process.execPath, [script, first.directory, appId])))
    const { version, numRecords } = await first.snapshot()
    expect([version, numRecords]).toEqual([30n, 30n])
    const ids = (await workshop.rows(first, ['id'])).map((row) => Number(row.id))
    expect(ids).toEqual(Array.from({ length: 30 }, (_, index) => Math.floor(index / 2)))
  })
})
