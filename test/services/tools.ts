// The outside programs that tests need (Python packages, Java libraries), from the cache of `assay spark
// install` ($ASSAY_TEST_CACHE is another).
import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import {
  installOnce,
  javaAbsence,
  mavenJars as mavenJarsIn,
  packagesDirectory,
  pythonAbsence,
  pythonEnvironment as pythonEnvironmentIn,
} from '../../src/packages/packages.ts'

export const cacheDirectory = packagesDirectory(process.env.ASSAY_TEST_CACHE ?? null)

/** null where Java and Maven can be run; otherwise the reason why the tests that need them are skipped. */
export const javaAvailable: string | null = javaAbsence()

/**
 * null where Python can make a virtual environment; otherwise the reason why the tests that need it are
 * skipped.
 */
export const pythonAvailable: string | null = pythonAbsence()

/**
 * null where Prometheus and promtool can be run; otherwise the reason why the tests that need them are
 * skipped.
 */
export const prometheusAvailable: string | null =
  spawnSync('promtool', ['--version']).status === 0 && spawnSync('prometheus', ['--version']).status === 0
    ? null
    : 'Prometheus and promtool are not installed (apt install --no-install-recommends prometheus)'
/** Debian's, or the one that ASSAY_CHROMIUM names; null where there is none. */
export const chromiumPath: string | null =
  [process.env.ASSAY_CHROMIUM ?? '', ...programsNamed('chromium')].find((path) => existsSync(path)) ?? null

/** null where pages can be looked at; otherwise the reason why the tests that do are skipped. */
export const chromiumAvailable: string | null =
  chromiumPath === null ? 'there is no chromium (apt-get install --no-install-recommends chromium)' : null

function programsNamed(name: string): string[] {
  return (process.env.PATH ?? '').split(delimiter).map((directory) => join(directory, name))
}

const never = new AbortController().signal

/** The jars of `coordinates` (group:artifact:version) with everything they need at run time. */
export function mavenJars(name: string, coordinates: string[]): Promise<string[]> {
  return mavenJarsIn(cacheDirectory, name, coordinates, never)
}

/** Who reads Delta tables without Spark. */
export const deltaReaders = ['deltalake', 'pyarrow', 'polars', 'pandas', 'duckdb']

/** The path of a Python that has `requirements` (as pip takes them) installed. */
export function pythonEnvironment(name: string, requirements: string[]): Promise<string> {
  return pythonEnvironmentIn(cacheDirectory, name, requirements, never)
}

/** null where Go can be run; otherwise the reason why the tests with a real object store are skipped. */
export const goAvailable: string | null =
  spawnSync('go', ['version'], { stdio: 'ignore' }).status === 0 ? null : 'there is no Go (go version failed)'

const versitygw = 'github.com/versity/versitygw/cmd/versitygw@v1.8.0'

/** The path of an S3 server over a directory, which Go builds once. */
export async function versitygwProgram(): Promise<string> {
  const target = await installOnce(cacheDirectory, 'versitygw', [versitygw], never, async (folder) => {
    await promisify(execFile)('go', ['install', versitygw], { env: { ...process.env, GOBIN: folder } })
  })
  return join(target, 'versitygw')
}
