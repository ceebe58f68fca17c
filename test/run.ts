// `npm test`: types, lint, then all tests. Says which tests were skipped and why, and ends with the line
// `N passed, N failed`; the types and the lint count as a test each.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compilerAvailable } from './crash/faulty-disk.ts'
import {
  chromiumAvailable,
  goAvailable,
  javaAvailable,
  prometheusAvailable,
  pythonAvailable,
} from './services/tools.ts'
import { isLong } from './turns.ts'

type Counts = { passed: number; failed: number; skipped: number }

/** The part of vitest's JSON report that is read here. */
type Report = {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly status: string
    }[]
  }[]
}

const root = join(import.meta.dirname, '..')
const counts: Counts = { passed: 0, failed: 0, skipped: 0 }

countCommand('types', 'tsc', ['--noEmit'])
countCommand('types of the pages', 'tsc', ['--noEmit', '-p', 'dashboard'])
countCommand('lint', 'biome', ['check', '--error-on-warnings', '.'])
countTests(process.argv.slice(2))

if (counts.skipped > 0) console.log(`${counts.skipped} skipped`)
console.log(`\n${counts.passed} passed, ${counts.failed} failed`)
process.exitCode = counts.failed === 0 ? 0 : 1

function run(program: string, args: readonly string[]): boolean {
  const path = join(root, 'node_modules', '.bin', program)
  return spawnSync(path, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0
}

function countCommand(name: string, program: string, args: readonly string[]): void {
  const passed = run(program, args)
  console.log(`${name}: ${passed ? 'ok' : 'FAILED'}`)
  counts[passed ? 'passed' : 'failed']++
}

/** Arguments go to vitest: `npm test -- --project unit`. */
function countTests(args: readonly string[]): void {
  const directory = mkdtempSync(join(tmpdir(), 'assay-test-report-'))
  const file = join(directory, 'report.json')
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const succeeded = run('vitest', ['run', ...reporters, ...args])
    const failedBefore = counts.failed
    countReport(JSON.parse(readFileSync(file, 'utf8')))
    // What failed outside of any test (a file that does not load, an unhandled rejection) is a failure too.
    if (!succeeded && counts.failed === failedBefore) counts.failed++
  } catch (error) {
    console.error(`the tests wrote no report: ${error instanceof Error ? error.message : error}`)
    counts.failed++
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function countReport({ testResults }: Report): void {
  const skippedOf = new Map<string, number>()
  for (const { name, status, assertionResults } of testResults) {
    const path = name.slice(root.length + 1)
    if (status === 'failed' && !assertionResults.some((test) => test.status === 'failed')) counts.failed++
    for (const { status: outcome } of assertionResults) {
      if (outcome === 'passed') counts.passed++
      else if (outcome === 'failed') counts.failed++
      else {
        counts.skipped++
        skippedOf.set(path, (skippedOf.get(path) ?? 0) + 1)
      }
    }
  }
  for (const [path, count] of skippedOf) console.log(`skipped: ${count} of ${path}`)
  const reasons = [
    javaAvailable,
    pythonAvailable,
    goAvailable,
    compilerAvailable,
    prometheusAvailable,
    chromiumAvailable,
  ].filter((reason) => reason !== null)
  if (!isLong) reasons.push('long lists take turns (npm run test:long runs all)')
  if (skippedOf.size > 0 && reasons.length > 0) console.log(`because ${reasons.join('; ')}`)
}
