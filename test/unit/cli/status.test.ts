import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runFindings } from '../../../src/engines/run-findings.ts'
import type { RunStatus } from '../../../src/engines/run-status.ts'
import { lines } from '../../generate/lines.ts'

const assay = join(import.meta.dirname, '../../../bin/assay.js')
const [values] = fc.sample(lines(60, 60), { seed: 7, numRuns: 1 })
let home: string
let run: ChildProcess | null = null

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'assay-status-'))
  mkdirSync(join(home, 'input'))
  writeFileSync(
    join(home, 'input', 'a.ndjson'),
    Buffer.concat(values!.flatMap((one) => [one, Buffer.from('\n')])),
  )
})
afterEach(() => {
  run?.kill('SIGKILL')
  run = null
  rmSync(home, { recursive: true, force: true })
})

const start = (...args: string[]) => {
  // Where others can ask too, `status` shows the token as they do.
  const metrics = { METRICS_HOST: '0.0.0.0', METRICS_TOKEN: 'a-token-that-is-long' }
  const env = { ...process.env, ...metrics, DELTA_BASE_PATH: join(home, 'lake'), LOG_FORMAT: 'json' }
  return spawn(process.execPath, [assay, ...args], { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] })
}

async function status(): Promise<{ code: number; ok: boolean; processes: RunStatus[] }> {
  const child = start('status', '--json')
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += String(chunk)
  })
  const [code] = await once(child, 'close')
  return { code, ...JSON.parse(text) }
}

test('a run is asked how it is; when it is gone, the tables tell', async () => {
  const child = start('run', '--from', 'input')
  run = child
  let log = ''
  for await (const chunk of child.stderr) {
    log += String(chunk)
    if (log.includes('waiting for more')) break
  }
  const running = await status()
  const streams = ['kafka-to-delta', 'fraud-detection', 'aggregations']
  expect(running.processes).toHaveLength(1)
  expect(running.processes[0]).toMatchObject({
    ...{ streams, state: 'waiting', batch: 1, engine: 'embedded' },
    writer: { pid: child.pid, url: expect.stringMatching(/^http:\/\/localhost:\d+$/) },
    tables: expect.arrayContaining([expect.objectContaining({ table: 'silver/transactions', batch: 1 })]),
  })
  expect([running.code, running.ok]).toEqual([0, true])
  child.kill('SIGSTOP')
  const paused = await status()
  expect(paused.processes[0]).toMatchObject({
    streams,
    state: 'unknown',
    writer: { pid: child.pid, url: null },
  })
  child.kill('SIGCONT')
  child.kill('SIGTERM')
  child.stderr.resume()
  await once(child, 'close')
  const gone = await status()
  const [stopped] = gone.processes
  expect(stopped).toMatchObject({ streams, state: 'not running', writer: null, batch: 1 })
  expect(stopped!.findings).toEqual([
    {
      kind: 'stopped',
      severity: 'error',
      text: `no process carries ${streams.join(', ')}`,
      help: `assay run ${streams.join(' ')}`,
    },
  ])
  expect(gone.code).toBe(1)
  // What the tables say is what the process said.
  const rows = ({ tables }: RunStatus) => tables.map(({ table, rows: count }) => [table, count])
  expect(rows(stopped!)).toEqual(rows(running.processes[0]!))
})

const well: Parameters<typeof runFindings>[0] = {
  ...{
    nowMs: 1_000_000,
    outage: null,
    fault: null,
    lag: null,
    lagGrows: false,
    unseenSeconds: 1,
    idleSeconds: 1,
  },
  ...{
    records: 1_000,
    quarantined: 10,
    refusedTable: 'silver/quarantine',
    reasons: { late: 7, duplicate: 3 },
  },
  ...{
    phasesMs: [{ fetch: 5, judge: 20, write: 60, commit: 15 }],
    shadowFaults: [],
    held: null,
    batchesBehind: null,
  },
  diskFreeBytes: null,
}

test.each<[string, Partial<typeof well>, string]>([
  [
    'brokers that are away',
    { outage: { code: 'KAFKA_UNREACHABLE', message: 'No broker answers.', sinceMs: 940_000 } },
    'for 60 s: No broker answers. [KAFKA_UNREACHABLE]',
  ],
  ['brokers that say nothing', { unseenSeconds: 90 }, 'no broker has said for 90 s what waits in the topic'],
  [
    'failures',
    { fault: { code: 'STORAGE_FAILED', message: 'The disk is full.', failures: 3 } },
    'The disk is full. [STORAGE_FAILED] (3 in a row)',
  ],
  [
    'batches that do not end',
    { lag: { records: 5, seconds: 1 }, idleSeconds: 600 },
    'records wait, and no batch has ended for 10 min',
  ],
  [
    'refusals',
    { quarantined: 200 },
    '20 % of the records of the last minute were refused, most of them as late',
  ],
  [
    'a lag that grows, with the phase that limits',
    { lag: { records: 50_000, seconds: 300 }, lagGrows: true },
    '50000 records wait, the oldest for 5 min, and they become more; 60 % of the time goes to write: the disk or the processor is ' +
      'the limit; larger batches (LATENCY_TARGET_MS) write fewer files',
  ],
  [
    'a partition that holds the watermark',
    { held: { topic: 't', partition: 3, seconds: 7_200 } },
    'partition 3 of t holds the watermark back: its event time is 2.0 h behind the newest',
  ],
  ['a disk that is full', { diskFreeBytes: 2 ** 20 * 100 }, 'the disk under the tables has 100 MiB left'],
])('a status names %s', (_what, wrong, text) => {
  expect(runFindings(well)).toEqual([])
  expect(runFindings({ ...well, ...wrong }).map((finding) => finding.text)).toEqual([text])
})
