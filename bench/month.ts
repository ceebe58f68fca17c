// Does a lakehouse that runs for a month get slower, or larger than its rows? Plays the month with a clock
// that jumps from batch to batch: the real logs, checkpoints, compaction and clean-up with the retentions of
// the configuration, which the jumps scale. The rows are made up: copies of one file for each table and day.
// Run: [BENCH_DIRECTORY=/dev/shm] npx node --expose-gc bench/month.ts [commits] [days]
import { randomUUID } from 'node:crypto'
import { copyFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { pipelineOptions } from '../src/cli/pipeline-options.ts'
import { loadConfig } from '../src/config/config.ts'
import { addFile } from '../src/delta/actions.ts'
import { fileSystem, setClock, setDisk } from '../src/delta/disk.ts'
import { DeltaTable, type StagedAppend } from '../src/delta/index.ts'
import { compactWith } from '../src/engines/embedded/upkeep.ts'
import { listener } from '../src/engines/events.ts'
import { type KeptTable, Upkeep } from '../src/engines/upkeep.ts'
import { standardLakehouse } from '../src/lakehouse/index.ts'
import { openTable } from '../src/ops/tables.ts'

const { tables: definitions } = standardLakehouse

const commitCount = Number(process.argv[2] ?? 300_000)
const dayCount = Number(process.argv[3] ?? 30)
/** Which tables get a commit with every so many batches. */
const everyBatches: Readonly<Record<string, number>> = {
  'bronze/transactions': 1,
  'silver/transactions': 1,
  fraud_detection: 1,
  'silver/quarantine': 10,
  'gold/transactions': 20,
}
const commitsPerBatch = Object.values(everyBatches).reduce((sum, every) => sum + 1 / every, 0)
const batchCount = Math.ceil(commitCount / commitsPerBatch)
const dayMs = 86_400_000
const stepMs = (dayCount * dayMs) / batchCount
const startMs = Date.UTC(2026, 0, 1)

/** The simulated time of a real one: files get their times from the real clock. */
const [realTimes, simulatedTimes]: [number[], number[]] = [[], []]
let nowMs = startMs
function jumpTo(simulatedMs: number): void {
  nowMs = simulatedMs
  realTimes.push(performance.timeOrigin + performance.now())
  simulatedTimes.push(simulatedMs)
}
function simulated(realMs: number): number {
  let [before, after] = [0, realTimes.length]
  while (after - before > 1) {
    const middle = (before + after) >> 1
    if (realTimes[middle]! <= realMs) before = middle
    else after = middle
  }
  return simulatedTimes[before] ?? nowMs
}

type Written = KeptTable & { readonly every: number; template: StagedAppend | null; templateDay: number }

const base = await mkdtemp(join(process.env.BENCH_DIRECTORY ?? tmpdir(), 'assay-month-'))
const options = {
  ...pipelineOptions({ ...loadConfig(standardLakehouse, {}, join(base, '.env')), deltaBasePath: base }),
  ...{ streams: [], source: null, once: false, finalize: false, signal: new AbortController().signal },
  clock: () => BigInt(Math.trunc(nowMs)) * 1000n,
  tell: listener({ notice: ({ code, message }) => console.log(code, message) }),
}
setClock(() => nowMs)
setDisk({
  ...fileSystem,
  stat: async (path) => {
    const facts = await fileSystem.stat(path)
    return { ...facts, changedMs: simulated(facts.changedMs) }
  },
})

const instance = await DuckDBInstance.create(':memory:', {
  ...{ threads: '2', memory_limit: '1GiB', preserve_insertion_order: 'false' },
  ...{ enable_external_file_cache: 'false', temp_directory: join(base, 'spill') },
})
const [stageConnection, upkeepConnection] = [await instance.connect(), await instance.connect()]
await stageConnection.run("SET GLOBAL TimeZone = 'UTC'")

/** The rows of a batch, as a commit of the day has them. */
async function rowsOf(table: Written): Promise<StagedAppend> {
  const day = Math.floor((nowMs - startMs) / dayMs)
  const { delta } = table
  if (table.template === null || table.templateDay !== day) {
    const { fields } = (await delta.snapshot()).metadata
    const date = new Date(nowMs).toISOString()
    const columns = fields.map(({ name, type }) => `${valueSql(type, date)} AS "${name}"`)
    table.templateDay = day
    table.template = await delta.stage(stageConnection, `SELECT ${columns.join(', ')} FROM range(5)`)
    await copyFile(join(delta.directory, table.template.adds[0]!.path), templateOf(table))
    return table.template
  }
  const [first] = table.template.adds
  const path = join(dirname(first!.path), `part-${randomUUID()}.parquet`)
  await copyFile(templateOf(table), join(delta.directory, path))
  const { partitionValues, size, statsJson, tags } = first!
  const add = addFile({
    path,
    partitionValues,
    size,
    statsJson,
    tags,
    modificationTime: nowMs,
    dataChange: true,
  })
  return { ...table.template, adds: [add] }
}

/** Outside of the table, which compacts and deletes its own. */
function templateOf({ definition }: Written): string {
  return join(base, `${definition.path.replaceAll('/', '-')}.parquet`)
}

function valueSql(type: unknown, date: string): string {
  if (type === 'date') return `DATE '${date.slice(0, 10)}'`
  if (type === 'timestamp') return `TIMESTAMPTZ '${date}'`
  if (type === 'string') return "'text ' || range"
  return typeof type === 'string' && /^(int|long|double|decimal)/.test(type) ? 'range' : 'NULL'
}

/** What is on the disk of all tables: entries of their logs, files of data, bytes. */
async function onDisk(written: readonly Written[]): Promise<Record<string, number>> {
  let [logEntries, dataFiles, liveFiles, bytes] = [0, 0, 0, 0]
  for (const { delta } of written) {
    liveFiles += (await delta.snapshot()).files.size
    for (const entry of await readdir(delta.directory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      if (entry.parentPath.endsWith('_delta_log')) logEntries += 1
      else dataFiles += 1
      bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => ({ blocks: 0 }))).blocks * 512
    }
  }
  return { logEntries, deadFiles: dataFiles - liveFiles, liveFiles, mebibytes: Math.round(bytes / 2 ** 20) }
}

/** A start: every table is opened from its log. */
async function startMsOf(written: readonly Written[]): Promise<number> {
  const begun = performance.now()
  await Promise.all(written.map(({ delta }) => DeltaTable.open(delta.directory)))
  return performance.now() - begun
}

function quantile(sorted: Float64Array, of: number): number {
  return Number((sorted[Math.floor(sorted.length * of)] ?? 0).toFixed(1))
}

try {
  const written: Written[] = []
  for (const definition of definitions) {
    const every = everyBatches[definition.path]
    if (every === undefined) continue
    const delta = await openTable(base, definition, options.tableProperties)
    written.push({
      definition,
      delta,
      every,
      versionRead: 0n,
      filesSinceUpkeep: 0,
      template: null,
      templateDay: -1,
    })
  }
  const upkeep = new Upkeep(compactWith(upkeepConnection), written, options)
  let commitMs: number[] = []
  let commits = 0
  const begun = performance.now()
  for (let batch = 1; batch <= batchCount; batch++) {
    jumpTo(startMs + batch * stepMs)
    for (const table of written) {
      if (batch % table.every !== 0) continue
      const rows = await rowsOf(table)
      const started = performance.now()
      await table.delta.commit(rows, {
        appId: 'month',
        version: BigInt(batch),
        timestampMs: Math.trunc(nowMs),
      })
      commitMs.push(performance.now() - started)
      table.filesSinceUpkeep += 1
      commits += 1
    }
    upkeep.betweenBatches()
    const isDayOver = Math.floor((batch * stepMs) / dayMs) !== Math.floor(((batch - 1) * stepMs) / dayMs)
    if (!isDayOver && batch !== batchCount) continue
    const sorted = Float64Array.from(commitMs).sort()
    commitMs = []
    globalThis.gc?.()
    const heapMiB = Math.round(process.memoryUsage().heapUsed / 2 ** 20)
    console.log(
      JSON.stringify({
        ...{
          day: Math.round((batch * stepMs) / dayMs),
          commits,
          seconds: Math.round((performance.now() - begun) / 1000),
        },
        ...{ commitMedianMs: quantile(sorted, 0.5), commitP99Ms: quantile(sorted, 0.99) },
        commitMaxMs: quantile(sorted, 0.999999),
        ...{ heapMiB, startMs: Math.round(await startMsOf(written)) },
        ...(await onDisk(written)),
      }),
    )
  }
  await upkeep.finish()
} finally {
  for (const connection of [stageConnection, upkeepConnection]) connection.closeSync()
  instance.closeSync()
  await rm(base, { recursive: true, force: true })
}
