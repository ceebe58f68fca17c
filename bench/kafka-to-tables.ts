// How long do transactions take from Kafka through all tables? Starts a real broker, fills a topic (lz4), and
// runs `assay run --once --finalize` as a process of its own. Run: npx node bench/kafka-to-tables.ts
// [records] [runs]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBroker } from '../test/services/broker.ts'

const records = Number(process.argv[2] ?? 1_000_000)
const runs = Number(process.argv[3] ?? 3)
const partitions = 4
const topic = 'bench.transactions'
const period = '2026-10-01/2026-10-02'
const root = join(import.meta.dirname, '..')
const broker = await startBroker()
const directory = await mkdtemp(join(tmpdir(), 'assay-bench-'))
const environment = { KAFKA_BOOTSTRAP_SERVERS: broker.bootstrapServers.join(','), KAFKA_TOPIC: topic }

/** Runs the command to its end; tells its wall time, CPU time and peak memory. */
async function assay(
  args: string[],
  more: Record<string, string> = {},
): Promise<{ seconds: number; peakMiB: number }> {
  const start = performance.now()
  const child = spawn(process.execPath, [join(root, 'bin', 'assay.js'), ...args], {
    env: { ...process.env, ...environment, ...more },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  let peakKiB = 0
  const watch = setInterval(() => {
    peakKiB = Math.max(peakKiB, peakOf(child.pid!))
  }, 50)
  const [code] = await once(child, 'exit')
  clearInterval(watch)
  if (code !== 0) throw new Error(`assay ${args.join(' ')} ended with ${code}`)
  return { seconds: (performance.now() - start) / 1000, peakMiB: peakKiB / 1024 }
}

/** The greatest resident set so far, as the kernel counts it. */
function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0 // It has just ended.
  }
}

try {
  // Its records are of the past: the usual retention would delete them.
  await broker.createTopic(topic, partitions, { 'retention.ms': '-1' })
  await assay(['produce', '--count', String(records), '--period', period, '--compression', 'lz4'])
  for (let run = 1; run <= runs; run++) {
    const base = join(directory, String(run))
    const { seconds, peakMiB } = await assay(['run', '--once', '--finalize'], { DELTA_BASE_PATH: base })
    const rate = Math.round(records / seconds)
    console.log(
      `run ${run}: ${records} records in ${seconds.toFixed(1)} s, ${rate} records/s, peak memory ${Math.round(peakMiB)} MiB`,
    )
    await rm(base, { recursive: true })
  }
} finally {
  await broker.stop()
  await rm(directory, { recursive: true, force: true })
}
