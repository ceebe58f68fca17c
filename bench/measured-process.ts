// A process of its own with what it took: wall time, processor time, memory. Linux only.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'

/** The kernel's unit of processor time in /proc. */
const ticksPerSecond = 100

export type ProcessFigures = {
  readonly seconds: number
  /** User and system time of the process and of all that it started. */
  readonly processorSeconds: number
  /** The greatest resident memory; of several processes their sum, looked at four times a second. */
  readonly peakMiB: number
}

export type MeasuredOptions = {
  readonly environment?: Readonly<Record<string, string>>
  /** Whether the processes that it starts count, too: a Spark server, say. */
  readonly family?: boolean
}

/**
 * Runs a command to its end. One at a time: processor time is what the kernel adds to this process's when a
 * child ends. Its standard output is returned. Throws where it fails.
 */
export async function measured(
  command: string,
  args: readonly string[],
  { environment = {}, family = false }: MeasuredOptions = {},
): Promise<ProcessFigures & { readonly output: string }> {
  const before = childTicks()
  const startedMs = performance.now()
  const child = spawn(command, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const seen = new Map<number, number>()
  let peakKiB = 0
  const look = (): void => {
    if (family) peakKiB = Math.max(peakKiB, lookAtFamily(child.pid!, seen))
    else peakKiB = statusOf(child.pid!, 'VmHWM') || peakKiB
  }
  const timer = setInterval(look, family ? 250 : 20)
  const [code] = await once(child, 'close')
  clearInterval(timer)
  const seconds = (performance.now() - startedMs) / 1000
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${output.slice(-2000)}`)
  // A process of the family that nobody waited for is missing in what the kernel added.
  const sampled = [...seen.values()].reduce((sum, ticks) => sum + ticks, 0)
  const ticks = Math.max(childTicks() - before, sampled)
  return { seconds, processorSeconds: ticks / ticksPerSecond, peakMiB: peakKiB / 1024, output }
}

/** The JSON object that is the last line of a command's output. */
export function lastLine(output: string): unknown {
  return JSON.parse(output.trimEnd().split('\n').at(-1)!)
}

/** From a process's line in /proc: parent, ticks of its own, ticks of its children that have ended. */
function statOf(pid: number | 'self'): { parent: number; own: number; children: number } | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ').map(Number)
    const [own, children] = [fields[11]! + fields[12]!, fields[13]! + fields[14]!]
    return { parent: fields[1]!, own, children }
  } catch {
    return null // It has just ended.
  }
}

/** Of a process that runs, since it began; what it started does not count. */
export function processorSecondsOf(pid: number): number {
  const stat = statOf(pid)
  if (stat === null) throw new Error(`process ${pid} has ended`)
  return stat.own / ticksPerSecond
}

const childTicks = (): number => statOf('self')!.children

/** In KiB; 0 where the process has ended. */
function statusOf(pid: number, name: 'VmHWM' | 'VmRSS'): number {
  try {
    return Number(
      new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0,
    )
  } catch {
    return 0
  }
}

/** Notes the processor time of `root` and its descendants in `seen`; returns their memory in KiB. */
function lookAtFamily(root: number, seen: Map<number, number>): number {
  const stats = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => [Number(name), statOf(Number(name))] as const),
  )
  // One that was seen once stays in the family, also when its parent has ended.
  const isOfFamily = (pid: number): boolean => {
    const parent = stats.get(pid)?.parent
    return pid === root || seen.has(pid) || (parent !== undefined && parent > 1 && isOfFamily(parent))
  }
  let memoryKiB = 0
  for (const [pid, stat] of stats) {
    if (stat === null || !isOfFamily(pid)) continue
    seen.set(pid, stat.own)
    memoryKiB += statusOf(pid, 'VmRSS')
  }
  return memoryKiB
}
