// How much longer than DuckDB alone does Assay take for the same records from files, through all tables?
// Both in one run, each a process of its own, with wall time, processor time and peak memory. Run: npx node
// bench/against-duckdb.ts [records] [rounds]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const records = Number(process.argv[2] ?? 1_000_000)
const rounds = Number(process.argv[3] ?? 2)
const root = join(import.meta.dirname, '..')
const directory = await mkdtemp(join(tmpdir(), 'assay-bench-'))
const input = join(directory, 'input')
/** The kernel's unit of processor time in /proc. */
const ticksPerSecond = 100

type Figures = { readonly seconds: number; readonly processorSeconds: number; readonly peakMiB: number }

async function measured(args: readonly string[], environment: Record<string, string> = {}): Promise<Figures> {
  const startedMs = performance.now()
  const child = spawn(process.execPath, ['--max-semi-space-size=8', ...args], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  let [ticks, peakKiB] = [0, 0]
  const look = (): void => {
    try {
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
      ticks = Number(fields[11]) + Number(fields[12])
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
      peakKiB = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? peakKiB)
    } catch {
      // It has just ended.
    }
  }
  const timer = setInterval(look, 20)
  const [code] = await once(child, 'exit')
  clearInterval(timer)
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}`)
  const seconds = (performance.now() - startedMs) / 1000
  return { seconds, processorSeconds: ticks / ticksPerSecond, peakMiB: peakKiB / 1024 }
}

function told(name: string, { seconds, processorSeconds, peakMiB }: Figures): void {
  const figures = `${seconds.toFixed(1)} s, ${processorSeconds.toFixed(1)} s of processor time`
  console.log(`${name}: ${figures}, peak ${Math.round(peakMiB)} MiB`)
}

try {
  const assay = join(root, 'bin', 'assay.js')
  const period = ['--period', '2026-10-01/2026-10-02']
  await measured([assay, 'produce', '--count', String(records), ...period, '--to', input])
  for (let round = 0; round < rounds; round++) {
    const base = join(directory, `lakehouse-${round}`)
    const bare = await measured([
      join(root, 'bench', 'bare-duckdb.ts'),
      input,
      join(directory, `bare-${round}`),
    ])
    told('bare DuckDB', bare)
    const whole = await measured([assay, 'run', '--once', '--finalize', '--from', input], {
      DELTA_BASE_PATH: base,
    })
    told('Assay', whole)
    console.log(
      `${(whole.seconds / bare.seconds).toFixed(2)} times the time, ` +
        `${(whole.processorSeconds / bare.processorSeconds).toFixed(2)} times the processor time`,
    )
  }
} finally {
  await rm(directory, { recursive: true, force: true })
}
