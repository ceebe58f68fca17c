// How long after a kill is the pipeline processing again? Fills a lakehouse with rows that all still matter
// (a day's watermark), kills the running process, starts it again, and takes the time from the start of the
// process to its first batch. Run: npx node bench/restart.ts [rows] [runs]
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const rows = Number(process.argv[2] ?? 1_000_000)
const runs = Number(process.argv[3] ?? 5)
const root = join(import.meta.dirname, '..')
const work = await mkdtemp(join(tmpdir(), 'assay-restart-'))
const input = join(work, 'input')

function assay(args: string[], stderr: 'pipe' | 'ignore'): ChildProcess {
  return spawn(process.execPath, [join(root, 'bin', 'assay.js'), ...args], {
    env: {
      ...process.env,
      DELTA_BASE_PATH: join(work, 'tables'),
      WATERMARK_SILVER: '24 hours',
      LOG_FORMAT: 'json',
    },
    stdio: ['ignore', stderr, stderr],
  })
}

/** Milliseconds until the process has committed a batch of new records. */
async function untilFirstBatch(pipeline: ChildProcess): Promise<number> {
  const startedMs = performance.now()
  return new Promise((resolve, reject) => {
    pipeline.once('exit', (code) => reject(new Error(`the pipeline ended with ${code}`)))
    for (const stream of [pipeline.stdout!, pipeline.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        if (line.includes('"batch":')) resolve(performance.now() - startedMs)
      })
    }
  })
}

const addRecords = (run: number): Promise<void> => {
  const record = { transaction_id: `new-${run}`, user_id: 1, amount: 1, timestamp: '2026-10-01T23:59:59Z' }
  return appendFile(join(input, 'z.ndjson'), `${JSON.stringify(record)}\n`)
}

try {
  const period = ['--period', '2026-10-01/2026-10-02']
  await once(assay(['produce', '--to', input, '--count', String(rows), ...period], 'ignore'), 'exit')
  await once(assay(['run', '--once', '--from', input], 'ignore'), 'exit')
  for (let run = 0; run <= runs; run++) {
    await addRecords(run)
    const pipeline = assay(['run', '--from', input], 'pipe')
    const ms = await untilFirstBatch(pipeline)
    const exited = once(pipeline, 'exit')
    pipeline.kill('SIGKILL')
    await exited
    // Before the first run the last batch is a large one, which is replayed.
    const what = run === 0 ? 'after a batch of 100,000 records' : `run ${run}`
    console.log(`${what}: ${Math.round(ms)} ms from the start of the process to its first batch`)
  }
} finally {
  await rm(work, { recursive: true, force: true })
}
