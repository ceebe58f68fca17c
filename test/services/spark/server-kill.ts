// Waits for the middle of a write of a running command, and kills the Spark server that it has started.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Assay, Settings } from '../pipeline/assay.ts'

const pollMs = 2

/** A server of the command's own, quick to start. */
export const sparkSettings: Settings = {
  SPARK_MASTER: 'local[2]',
  SPARK_DRIVER_MEMORY: '1 GiB',
  SPARK_SETTINGS:
    'spark.driver.extraJavaOptions=-Duser.timezone=UTC -XX:TieredStopAtLevel=1 -XX:+UseSerialGC;' +
    'spark.sql.codegen.wholeStage=false',
}

/** Ends the server without warning while the table is written. */
export async function killWhileWriting(run: Assay, table: string): Promise<void> {
  await untilWriting(run, table)
  process.kill(await serverOf(run.pid), 'SIGKILL')
}

/** Waits for a file of the table that no commit names yet. */
export async function untilWriting(run: Assay, table: string): Promise<void> {
  let hasEnded = false
  void run.ended.then(() => {
    hasEnded = true
  })
  const [files, commits] = [await dataFiles(table), await commitCount(table)]
  while ((await dataFiles(table)) <= files) {
    if (hasEnded) throw new Error(`the run ended before it wrote to ${table}:\n${run.log()}`)
    if ((await commitCount(table)) > commits + 2)
      throw new Error(`${table} was written too quickly to be seen`)
    await sleep(pollMs)
  }
}

async function dataFiles(table: string): Promise<number> {
  const names = await readdir(table, { recursive: true }).catch(() => [])
  return names.filter((name) => name.endsWith('.parquet') && !name.includes('_delta_log')).length
}

async function commitCount(table: string): Promise<number> {
  const names = await readdir(join(table, '_delta_log')).catch(() => [])
  return names.filter((name) => name.endsWith('.json')).length
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
