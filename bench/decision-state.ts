// How long does it take until decisions are made where many rows matter, and what memory do they take? Fills
// a lakehouse with rows that are all within reach of the next transaction (a day's watermark), and starts
// `run decisions` on it, with an empty topic. Run: npx node bench/decision-state.ts [rows] [runs] [directory];
// a directory keeps the lakehouse for the next call. Linux only.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBroker } from '../test/services/broker.ts'
import { processorSecondsOf } from './measured-process.ts'

const rows = Number(process.argv[2] ?? 10_000_000)
const runs = Number(process.argv[3] ?? 3)
const kept = process.argv[4] ?? null
const work = kept ?? (await mkdtemp(join(tmpdir(), 'assay-decision-state-')))
const [input, tables] = [join(work, 'input'), join(work, 'tables')]
const topic = 'bench.state'

const assay = (args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
  spawn(process.execPath, [join(import.meta.dirname, '../bin/assay.js'), ...args], {
    env: {
      ...process.env,
      ...{ DELTA_BASE_PATH: tables, WATERMARK_SILVER: '24 hours', LOG_FORMAT: 'json' },
      ...{
        DECISIONS_STATE_MAX: '8 GiB',
        DECISIONS_PORT: '0',
        METRICS_PORT: '0',
        DASHBOARD_PORT: '0',
        ...more,
      },
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  })

async function whole(args: readonly string[]): Promise<void> {
  const child = assay(args)
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-4_000)
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`assay ${args.join(' ')} ended with ${code}:\n${log}`)
}

async function memoryMiB(pid: number, name: 'VmHWM' | 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)![1]) / 1024
}

async function oneStart(bootstrapServers: readonly string[], run: number): Promise<void> {
  const settings = { KAFKA_BOOTSTRAP_SERVERS: bootstrapServers.join(','), KAFKA_TOPIC: topic }
  const startedMs = performance.now()
  const child = assay(['run', 'decisions'], { ...settings, DECISIONS_GROUP_ID: `bench-${run}` })
  let log = ''
  const known = await new Promise<number>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`it ended with ${code}:\n${log}`)))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text
      const found = /"rows":(\d+)/.exec(log)
      if (found !== null) resolve(Number(found[1]))
    })
  })
  const seconds = (performance.now() - startedMs) / 1000
  const [most, now] = [await memoryMiB(child.pid!, 'VmHWM'), await memoryMiB(child.pid!, 'VmRSS')]
  const spent = processorSecondsOf(child.pid!)
  console.log(
    `${rows} rows of silver, ${known} in memory: ${seconds.toFixed(1)} s from the start of the process until it decides, ` +
      `${spent.toFixed(1)} s of processors, ${Math.round(most)} MiB at most, ${Math.round(now)} MiB then`,
  )
  child.removeAllListeners('exit')
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}

const broker = await startBroker()
try {
  if (!existsSync(tables)) {
    await whole(['produce', '--to', input, '--count', String(rows), '--period', '2026-10-01/2026-10-02'])
    await whole(['run', 'kafka-to-delta', '--once', '--from', input])
    await rm(input, { recursive: true })
  }
  await broker.createTopic(topic, 4)
  for (let run = 0; run < runs; run++) await oneStart(broker.bootstrapServers, run)
} finally {
  await broker.stop()
  if (kept === null) await rm(work, { recursive: true, force: true })
}
