// The outside programs that tests need (Python packages, Java libraries), from the cache of `assay spark
// install` ($ASSAY_TEST_CACHE is another).
import { spawnSync } from 'node:child_process'
import {
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

const never = new AbortController().signal

/** The jars of `coordinates` (group:artifact:version) with everything they need at run time. */
export function mavenJars(name: string, coordinates: string[]): Promise<string[]> {
  return mavenJarsIn(cacheDirectory, name, coordinates, never)
}

/** The path of a Python that has `requirements` (as pip takes them) installed. */
export function pythonEnvironment(name: string, requirements: string[]): Promise<string> {
  return pythonEnvironmentIn(cacheDirectory, name, requirements, never)
}
