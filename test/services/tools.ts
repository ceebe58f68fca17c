// The outside programs that tests need (Python packages, Java libraries): installed once into a cache outside
// the repository ($ASSAY_TEST_CACHE or ~/.cache/assay-test), shared by every checkout and every test process.
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const cacheDirectory = process.env.ASSAY_TEST_CACHE ?? join(homedir(), '.cache', 'assay-test')
const lockPollMs = 500
const installMaxMs = 20 * 60_000
const outputBytesMax = 64 * 1024 * 1024

/** null where Java and Maven can be run; otherwise the reason why the tests that need them are skipped. */
export const javaAvailable: string | null =
  absence('java', ['-version'], 'Java 17') ?? absence('mvn', ['--version'], 'Maven')

/**
 * null where Python can make a virtual environment; otherwise the reason why the tests that need it are
 * skipped.
 */
export const pythonAvailable: string | null = absence(
  'python3',
  ['-c', 'import sys, venv, ensurepip; assert sys.version_info >= (3, 10)'],
  'Python 3.10 with venv',
)

function absence(program: string, args: string[], what: string): string | null {
  const probe = spawnSync(program, args, { stdio: 'ignore' })
  return probe.status === 0 ? null : `${what} is not on this machine (${program} ${args[0]} failed)`
}

/** The jars of `coordinates` (group:artifact:version) with everything they need at run time. */
export async function mavenJars(name: string, coordinates: string[]): Promise<string[]> {
  if (javaAvailable !== null) throw new Error(javaAvailable)
  const directory = await installOnce(`jars-${name}`, coordinates, async (target) => {
    await writeFile(join(target, 'pom.xml'), pomOf(coordinates))
    const args = [
      '-B',
      '-q',
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
      '-DoutputDirectory=jars',
    ]
    await run('mvn', args, { cwd: target, timeout: installMaxMs, maxBuffer: outputBytesMax })
  })
  const jars = join(directory, 'jars')
  return (await readdir(jars))
    .filter((file) => file.endsWith('.jar'))
    .sort()
    .map((file) => join(jars, file))
}

/** The path of a Python that has `requirements` (as pip takes them) installed. */
export async function pythonEnvironment(name: string, requirements: string[]): Promise<string> {
  if (pythonAvailable !== null) throw new Error(pythonAvailable)
  const directory = await installOnce(`python-${name}`, requirements, async (target) => {
    const options = { timeout: installMaxMs, maxBuffer: outputBytesMax }
    await run('python3', ['-m', 'venv', join(target, 'venv')], options)
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...requirements]
    await run(join(target, 'venv', 'bin', 'python'), pip, options)
  })
  return join(directory, 'venv', 'bin', 'python')
}

/**
 * Runs `install` in a fresh folder unless an earlier run finished it. What was asked for is part of the
 * folder's name, so a changed version is a new folder; a half-done one (killed, no network) is deleted and
 * made again.
 */
async function installOnce(name: string, wanted: string[], install: (target: string) => Promise<void>) {
  const hash = createHash('sha256').update(JSON.stringify(wanted)).digest('hex').slice(0, 12)
  const target = join(cacheDirectory, `${name}-${hash}`)
  const complete = join(target, 'complete')
  if (existsSync(complete)) return target
  await mkdir(cacheDirectory, { recursive: true })
  await withLock(`${target}.lock`, async () => {
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
async function withLock(path: string, work: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + installMaxMs
  const lock = new DatabaseSync(path)
  try {
    while (!tryLock(lock)) {
      if (Date.now() > deadline) throw new Error(`another process has been installing for too long: ${path}`)
      await sleep(lockPollMs)
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

function pomOf(coordinates: string[]): string {
  const dependencies = coordinates.map((coordinate) => {
    const [group, artifact, version] = coordinate.split(':')
    const ids = `<groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version>`
    return `    <dependency>${ids}</dependency>`
  })
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>test</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
${dependencies.join('\n')}
  </dependencies>
</project>
`
}
