// Programs of other worlds (jars through Maven, Python packages through pip), installed once into a cache and
// shared by every process of the machine.
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { makeDirectory } from '../delta/local-storage.ts'
import { LakehouseError } from '../errors/errors.ts'

const execute = promisify(execFile)
const lockPollMs = 500
const installMsMax = 20 * 60_000
const outputBytesMax = 64 * 1024 * 1024
const outputShownMax = 600

/** `home` where it is set (ASSAY_HOME), else the user's cache folder. */
export function packagesDirectory(home: string | null, environment = process.env): string {
  if (home !== null) return home
  const { XDG_CACHE_HOME: cache } = environment
  // The specification ignores a relative path.
  return join(cache !== undefined && isAbsolute(cache) ? cache : join(homedir(), '.cache'), 'assay')
}

/** null where Java and Maven can be run; otherwise what is missing. */
export function javaAbsence(): string | null {
  return absence('java', ['-version'], 'Java 17') ?? absence('mvn', ['--version'], 'Maven')
}

/** null where Python can make a virtual environment; otherwise what is missing. */
export function pythonAbsence(): string | null {
  const probe = 'import sys, venv, ensurepip; assert sys.version_info >= (3, 10)'
  return absence('python3', ['-c', probe], 'Python 3.10 with venv')
}

function absence(program: string, args: string[], what: string): string | null {
  const probe = spawnSync(program, args, { stdio: 'ignore' })
  return probe.status === 0 ? null : `${what} is not on this machine (${program} ${args[0]} failed)`
}

/** The jars of `coordinates` (group:artifact:version) with everything they need at run time. */
export async function mavenJars(
  directory: string,
  name: string,
  coordinates: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const target = await installOnce(directory, `jars-${name}`, coordinates, signal, async (folder) => {
    demand(javaAbsence())
    await writeFile(join(folder, 'pom.xml'), pomOf(coordinates))
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', '-DoutputDirectory=jars']
    await run('mvn', ['-B', '-q', ...goal], signal, folder)
  })
  const jars = join(target, 'jars')
  const files = await readdir(jars)
  return files
    .filter((file) => file.endsWith('.jar'))
    .sort()
    .map((file) => join(jars, file))
}

/** The path of a Python that has `requirements` (as pip takes them) installed. */
export async function pythonEnvironment(
  directory: string,
  name: string,
  requirements: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const target = await installOnce(directory, `python-${name}`, requirements, signal, async (folder) => {
    demand(pythonAbsence())
    await run('python3', ['-m', 'venv', join(folder, 'venv')], signal)
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...requirements]
    await run(join(folder, 'venv', 'bin', 'python'), pip, signal)
  })
  return join(target, 'venv', 'bin', 'python')
}

/** Whether an install of that name and those wishes was finished. */
export function isInstalled(directory: string, name: string, wanted: readonly string[]): boolean {
  return existsSync(join(targetOf(directory, name, wanted), completeMark))
}

const completeMark = 'complete'

/** What was asked for is part of the folder's name, so a changed version is a new folder. */
function targetOf(directory: string, name: string, wanted: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(wanted)).digest('hex').slice(0, 12)
  return join(directory, `${name}-${hash}`)
}

/**
 * Runs `install` in a fresh folder unless an earlier run finished it; a half-done one (killed, no network) is
 * deleted and made again.
 */
export async function installOnce(
  directory: string,
  name: string,
  wanted: readonly string[],
  signal: AbortSignal,
  install: (target: string) => Promise<void>,
): Promise<string> {
  const target = targetOf(directory, name, wanted)
  const complete = join(target, completeMark)
  if (existsSync(complete)) return target
  await makeDirectory(resolve(directory))
  await withLock(`${target}.lock`, signal, async () => {
    if (existsSync(complete)) return
    await rm(target, { recursive: true, force: true })
    await mkdir(target)
    await install(target)
    await writeFile(complete, `${wanted.join('\n')}\n`)
  })
  return target
}

/**
 * Holds a lock between processes. SQLite's exclusive transaction is the one lock in Node that the system
 * itself lets go when its holder dies, so there is no stale lock to judge.
 */
async function withLock(path: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + installMsMax
  const lock = new DatabaseSync(path)
  try {
    while (!tryLock(lock)) {
      if (Date.now() > deadline) {
        throw failed(`another process has been installing for more than 20 minutes (lock ${path})`)
      }
      await sleep(lockPollMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
    await work()
  } finally {
    lock.close()
  }
}

function tryLock(lock: DatabaseSync): boolean {
  const sqliteBusy = 5
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return true
  } catch (error) {
    if (error instanceof Error && 'errcode' in error && error.errcode === sqliteBusy) return false
    throw error
  }
}

async function run(program: string, args: string[], signal: AbortSignal, cwd?: string): Promise<void> {
  const options = { timeout: installMsMax, maxBuffer: outputBytesMax, signal, cwd }
  try {
    await execute(program, args, options)
  } catch (error) {
    signal.throwIfAborted()
    const output = ['stdout', 'stderr'].map((name) => String((error as Record<string, unknown>)[name] ?? ''))
    const tail = output.join('\n').trim().slice(-outputShownMax)
    throw failed(`${program} failed; it said:\n${tail}`, error)
  }
}

function demand(missing: string | null): void {
  if (missing === null) return
  throw new LakehouseError('TOOL_MISSING', `${missing}. Install it and try again.`)
}

function failed(what: string, cause?: unknown): LakehouseError {
  const message = `The installation stopped: ${what}\nWhat is done already stays; try again.`
  return new LakehouseError('INSTALL_FAILED', message, { cause })
}

function pomOf(coordinates: readonly string[]): string {
  const dependencies = coordinates.map((coordinate) => {
    const [group, artifact, version] = coordinate.split(':')
    const ids = `<groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>`
    return `    <dependency>${ids}</dependency>`
  })
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>assay</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
${dependencies.join('\n')}
  </dependencies>
</project>
`
}
