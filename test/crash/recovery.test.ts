// What a start finds after other hands were at the files: the checkpoint directory gone or full of rubbish,
// checkpoints of the logs cut short, leftovers of killed processes, another definition of a table.
import { mkdir, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkpointDirectory } from '../../src/engines/lock.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'
import { judgeLakehouse } from '../compare/judge-lakehouse.ts'
import { readTables } from '../compare/read-in-process.ts'
import { lines } from '../generate/lines.ts'
import { type Lakehouse, newLakehouse, recordsOf, runOnce, writeInput } from '../unit/engine/pipeline.ts'
import { crashOptions } from './child.ts'
import { runChild } from './processes.ts'

const { tables } = standardLakehouse

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const [values] = fc.sample(lines(90, 90), { seed, numRuns: 1 })
const half = values!.slice(0, values!.length / 2)
const options = { ...crashOptions, recordsPerBatchMax: 20 }

/** Half of the input, then `between`, then the whole: the tables must be what the oracle computes. */
async function runInHalves(between: (lakehouse: Lakehouse) => Promise<void>): Promise<void> {
  const lakehouse = await newLakehouse()
  try {
    await writeInput(lakehouse, half)
    await runOnce(lakehouse, options)
    await between(lakehouse)
    await writeInput(lakehouse, values!)
    await runOnce(lakehouse, { ...options, finalize: true })
    const found = judgeLakehouse(recordsOf(values!), await readTables(lakehouse.base))
    expect(found, `repeat with SEED=${seed}`).toEqual([])
  } finally {
    await lakehouse.remove()
  }
}

const logFiles = async (base: string, path: string, pattern: RegExp): Promise<string[]> => {
  const log = join(base, path, '_delta_log')
  return (await readdir(log)).filter((name) => pattern.test(name)).map((name) => join(log, name))
}

test('the checkpoint directory is deleted between two runs', () =>
  runInHalves(({ base }) => rm(join(base, '_checkpoints'), { recursive: true })))

test('the checkpoint directory is deleted after a kill in the middle of the commits of a batch', () =>
  runInHalves(async (lakehouse) => {
    await writeInput(lakehouse, values!)
    const { base, input } = lakehouse
    const at = { step: 'table committed', occurrence: 2, signal: 'SIGKILL' } as const
    const ended = await runChild({ base, input, recordsPerBatchMax: 20, finalize: false, at })
    expect(ended.signal).toBe('SIGKILL')
    await rm(join(base, '_checkpoints'), { recursive: true })
  }))

test('files of the checkpoint directory are rubbish: they are seen for what they are, and replaced', () =>
  runInHalves(async ({ base }) => {
    const old = new Date(Date.now() - 3_600_000)
    for (const stream of standardLakehouse.streams) {
      const directory = checkpointDirectory(base, stream)
      await mkdir(join(directory, 'spill'), { recursive: true })
      for (const name of [
        'lock',
        'lock.1.tmp',
        'spill/duckdb_temp_storage-0.tmp',
        'offsets',
        'state.duckdb',
      ]) {
        await writeFile(join(directory, name), Buffer.from([0, 255, 123, 10]))
        await utimes(join(directory, name), old, old)
      }
    }
  }))

test('checkpoints of the logs and the hints to them are cut short', () =>
  runInHalves(async ({ base }) => {
    let count = 0
    for (const { path } of tables) {
      for (const name of await logFiles(base, path, /checkpoint\.parquet$|^_last_checkpoint$/)) {
        await truncate(name, Math.floor((await stat(name)).size / 2))
        count += 1
      }
    }
    expect(count).toBeGreaterThan(tables.length)
  }))

test('what killed writers left half-written in a log is deleted when it is old, and harmless before', () =>
  runInHalves(async (lakehouse) => {
    const { base } = lakehouse
    const names = ['.0a1b.tmp', '.0a1b.checkpoint.json.tmp', '.0a1b.checkpoint.parquet.tmp']
    for (const { path } of tables) {
      for (const name of names) await writeFile(join(base, path, '_delta_log', name), '{"add":{"pa')
    }
    await runOnce(lakehouse, options)
    expect(await logFiles(base, 'gold/transactions', /\.tmp$/)).toHaveLength(3)
    const old = new Date(Date.now() - 7_200_000)
    for (const { path } of tables) {
      for (const name of await logFiles(base, path, /\.tmp$/)) await utimes(name, old, old)
    }
    await runOnce(lakehouse, options)
    for (const { path } of tables) expect(await logFiles(base, path, /\.tmp$/)).toEqual([])
  }))

/** The first commit of a table as an older or a newer version of Assay would have written it. */
async function redefine(
  base: string,
  path: string,
  change: (fields: SchemaField[]) => SchemaField[],
): Promise<void> {
  const [first] = await logFiles(base, path, /^0{20}\.json$/)
  const actions = (await readFile(first!, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const { metaData } = actions.find((action) => 'metaData' in action)
  const schema = JSON.parse(metaData.schemaString)
  metaData.schemaString = JSON.stringify({ ...schema, fields: change(schema.fields) })
  await writeFile(first!, `${actions.map((action) => JSON.stringify(action)).join('\n')}\n`)
}
type SchemaField = { name: string; type: unknown; nullable: boolean; metadata: object }

test('a definition with a new column goes on: rows of before have null there', async () => {
  const lakehouse = await newLakehouse()
  const { base } = lakehouse
  try {
    await writeInput(lakehouse, half)
    // Made and not written yet: then the column is taken out, as if an older version had made the table.
    const at = { step: 'batch begun', occurrence: 1, signal: 'SIGKILL' } as const
    await runChild({ base, input: lakehouse.input, recordsPerBatchMax: 20, finalize: false, at })
    for (const name of await logFiles(base, 'fraud_detection', /checkpoint/)) await rm(name)
    await redefine(base, 'fraud_detection', (fields) => fields.filter(({ name }) => name !== 'device_id'))
    await runOnce(lakehouse, { recordsPerBatchMax: 20, finalize: true })
    const found = judgeLakehouse(recordsOf(half), await readTables(base))
    expect(found, `repeat with SEED=${seed}`).toEqual([])
  } finally {
    await lakehouse.remove()
  }
})

test('a definition with a column of another type stops, names both types, and touches nothing', async () => {
  const lakehouse = await newLakehouse()
  const { base } = lakehouse
  try {
    await writeInput(lakehouse, half)
    await runOnce(lakehouse, { recordsPerBatchMax: 20 })
    const retype = (type: string) =>
      redefine(base, 'gold/transactions', (fields) =>
        fields.map((field) => (field.name === 'unique_users' ? { ...field, type } : field)),
      )
    await retype('string')
    const before = await logFiles(base, 'gold/transactions', /json$/)
    await writeInput(lakehouse, values!)
    await expect(runOnce(lakehouse, { recordsPerBatchMax: 20 })).rejects.toMatchObject({
      code: 'DELTA_SCHEMA_MISMATCH',
      message: expect.stringMatching(/unique_users.*string.*long|unique_users.*long.*string/s),
    })
    expect(await logFiles(base, 'gold/transactions', /json$/)).toEqual(before)
    await retype('long')
    await runOnce(lakehouse, { recordsPerBatchMax: 20, finalize: true })
    const found = judgeLakehouse(recordsOf(values!), await readTables(base))
    expect(found, `repeat with SEED=${seed}`).toEqual([])
  } finally {
    await lakehouse.remove()
  }
})
