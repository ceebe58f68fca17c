// What a process of Linux uses: memory that is resident, and processor time, sampled while it runs.
import { readFileSync } from 'node:fs'

/** The kernel counts processor time in hundredths of a second for those who ask. */
const ticksPerSecond = 100

export type ProcessUse = {
  /** Resident MiB, one number for each sample. */
  readonly samplesMiB: readonly number[]
  /** The most that was resident, as the kernel counts it. */
  peakMiB(): number
  /** In user and system mode, of all threads. */
  processorSeconds(): number
  /** Processor seconds for each second between the first sample and the last. */
  processorShare(): number
  stop(): void
}

export function watchProcess(pid: number, everyMs: number): ProcessUse {
  const samplesMiB: number[] = []
  const startedMs = performance.now()
  let [peakMiB, processorSeconds, sampledMs] = [0, 0, startedMs]
  const sample = (): void => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      const resident = memoryMiB(status, 'VmRSS')
      if (resident === 0) return // It has just ended.
      samplesMiB.push(resident)
      peakMiB = Math.max(peakMiB, memoryMiB(status, 'VmHWM'))
      processorSeconds = processorSecondsOf(readFileSync(`/proc/${pid}/stat`, 'utf8'))
      sampledMs = performance.now()
    } catch {
      // It has ended: what was sampled before stays.
    }
  }
  const timer = setInterval(sample, everyMs)
  return {
    samplesMiB,
    peakMiB: () => peakMiB,
    processorSeconds: () => processorSeconds,
    processorShare: () => (1000 * processorSeconds) / Math.max(1, sampledMs - startedMs),
    stop: () => clearInterval(timer),
  }
}

function memoryMiB(status: string, name: 'VmRSS' | 'VmHWM'): number {
  return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024
}

/** Fields 14 and 15 of the line; the name of the program, in parentheses, may hold spaces. */
function processorSecondsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}
