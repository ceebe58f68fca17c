// Starts the programs of java/, which use Kafka's own client. They are compiled once for all tests: Java would
// do it at each start, and that takes more than all else that they do.
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { promisify } from 'node:util'
import { KAFKA_COORDINATES } from '../broker.ts'
import { cacheDirectory, mavenJars } from '../tools.ts'

const sources = join(import.meta.dirname, 'java')
// Short-lived and small: a quick start matters more than the last percent of the optimising compiler.
const jvmOptions = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto']

export async function startJavaProgram(
  name: 'Produce' | 'Consume',
  args: readonly string[],
): Promise<ChildProcessByStdio<Writable, Readable, null>> {
  const jars = await mavenJars('kafka', KAFKA_COORDINATES)
  const classPath = [await compiledPrograms(jars), ...jars].join(':')
  const logLevel = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'
  const options = [...jvmOptions, logLevel, '-Xmx256m', '-cp', classPath]
  return spawn('java', [...options, name, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
}

/** The directory of their classes, which is named by what they were made of. */
async function compiledPrograms(jars: readonly string[]): Promise<string> {
  const files = (await readdir(sources)).sort().map((file) => join(sources, file))
  const hash = createHash('sha256').update(jars.join(':'))
  for (const file of files) hash.update(await readFile(file))
  const directory = join(cacheDirectory, `test-classes-${hash.digest('hex').slice(0, 12)}`)
  if (existsSync(directory)) return directory
  const made = await mkdtemp(`${directory}-`)
  const options = jvmOptions.map((option) => `-J${option}`)
  await promisify(execFile)('javac', [...options, '-cp', jars.join(':'), '-d', made, ...files])
  // Another process may have been as quick: its classes are the same.
  await rename(made, directory).catch(() => rm(made, { recursive: true }))
  return directory
}
