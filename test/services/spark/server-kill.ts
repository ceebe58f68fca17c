// Waits for the middle of a write of a running command, and kills the Spark server that it has started.
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Assay, Settings } from '../pipeline/assay.ts'
import { smallServer } from './harness.ts'

const pollMs = 2

/** A server of the command's own, quick to start. */
export const sparkSettings: Settings = {
  SPARK_MASTER: 'local[2]',
  SPARK_DRIVER_MEMORY: '1 GiB',
  SPARK_SETTINGS: Object.entries(smallServer)
    .map(([key, value]) => `${key}=${value}`)
    .join(';'),
}

/**
 * Ends the server without warning as soon as one of the tables is written to. Returns that table, or null
 * where the run ended before.
 */
export async function killWhileWriting(run: Assay, tables: readonly string[]): Promise<string | null> {
  const table = await firstWritten(run, tables)
  if (table !== null) process.kill(await serverOf(run.pid), 'SIGKILL')
  return table
}

/** Waits until the table is written to. */
export async function untilWriting(run: Assay, table: string): Promise<void> {
  const written = await firstWritten(run, [table])
  if (written === null) throw new Error(`the run ended before it wrote to ${table}:\n${run.log()}`)
}

/** The first of the tables that has a file which was not there before; null where the run ends without. */
async function firstWritten(run: Assay, tables: readonly string[]): Promise<string | null> {
  let hasEnded = false
  void run.ended.then(() => {
    hasEnded = true
  })
  const before = await Promise.all(tables.map(dataFiles))
  for (;;) {
    const now = await Promise.all(tables.map(dataFiles))
    const index = now.findIndex((count, place) => count > before[place]!)
    if (index >= 0) return tables[index]!
    if (hasEnded) return null
    await sleep(pollMs)
  }
}

async function dataFiles(table: string): Promise<number> {
  const names = await readdir(table, { recursive: true }).catch(() => [])
  return names.filter((name) => name.endsWith('.parquet') && !name.includes('_delta_log')).length
}

/** The JVM: a child of the shell that the command has started. */
async function serverOf(pid: number): Promise<number> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const parents = new Map<number, number>()
  for (const each of processes) {
    const stat = await readFile(`/proc/${each}/stat`, 'utf8').catch(() => '')
    parents.set(each, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
  }
  for (const each of processes) {
    if (parents.get(parents.get(each) ?? 0) !== pid) continue
    const command = await readFile(`/proc/${each}/cmdline`, 'utf8').catch(() => '')
    if (command.includes('SparkConnectServer')) return each
  }
  throw new Error(`the process ${pid} has no Spark server`)
}
