// docs/guide/your-own-topic.md, done as it says: its edits are made in a new project that has tables already.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runCommand } from './command.ts'

const root = join(import.meta.dirname, '../../..')
const directory = mkdtempSync(join(tmpdir(), 'assay-your-own-'))
const project = join(directory, 'my-payments')
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** The blocks of the page, each for the file that was named last. */
function applyEdits(): void {
  const page = readFileSync(join(root, 'docs/guide/your-own-topic.md'), 'utf8')
  let path = ''
  for (const found of page.matchAll(/^`([\w./-]+)`(?::| is new:)$|^```(diff|ts)\n([\s\S]*?)^```$/gm)) {
    const [, named, kind, block] = found
    if (named !== undefined) path = named
    if (block === undefined) continue
    const file = join(project, path)
    if (kind === 'ts') {
      writeFileSync(file, block)
      continue
    }
    const lines = block.trimEnd().split('\n')
    const without = (sign: string): string =>
      lines.flatMap((line) => (line.startsWith(sign) ? [] : [line.slice(1)])).join('\n')
    const text = readFileSync(file, 'utf8')
    expect(text.split(without('+')).length, `${path} has once:\n${without('+')}`).toBe(2)
    writeFileSync(
      file,
      text.replace(without('+'), () => without('-')),
    )
  }
}

const assay = async (...args: string[]): Promise<string> => {
  const { stdout, stderr, code } = await runCommand(project, args)
  expect(code, stdout + stderr).toBe(0)
  return stdout + stderr
}

test('what the page says can be done, and does what it says', async () => {
  await runCommand(directory, ['init', 'my-payments'])
  const made = ['--to', 'data', '--count', '500', '--period', '2026-10-01/2026-10-02', '--malformed', '0']
  await assay('produce', ...made)
  await assay('run', '--once', '--from', 'data')
  applyEdits()
  const { stdout, code } = await runCommand(project, ['plan'])
  expect(code).toBe(1)
  for (const line of [
    'new column silver/transactions: ip (string); rows that are there have null',
    'new column fraud_detection: ip_payments_10m (int); rows that are there have null',
    'next batch rule busy_address: it is new',
    'aggregations/device: the size of its windows was 10 minutes and is 30 minutes: run "assay rebuild aggregations/device"',
    'a start is refused: 1 change to see to',
  ])
    expect(stdout.replaceAll(/ +/g, ' ')).toContain(line)
  const refused = await runCommand(project, ['run', '--once', '--from', 'data'])
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('DEFINITION_INCOMPATIBLE')])
  expect(await assay('rebuild', 'aggregations.device')).toContain('aggregations.device is rebuilt')
  const started = await assay('run', '--once', '--finalize', '--from', 'data')
  expect(started).toContain('DEFINITIONS_CHANGED')
  expect(started).not.toContain('assay rebuild')
  const sql =
    'select bool_and(window_end - window_start = interval 30 minutes) as long from aggregations.device'
  expect(JSON.parse((await runCommand(project, ['query', '--json', sql])).stdout)).toEqual({ long: true })
  mkdirSync(join(project, 'node_modules'))
  symlinkSync(root, join(project, 'node_modules/assay-lakehouse')) // As npm does.
  const tests = spawnSync(process.execPath, ['--test', '--test-reporter=tap', 'tests/*.test.ts'], {
    cwd: project,
    encoding: 'utf8',
  })
  expect(tests.stdout).toContain('# pass 4')
  expect(tests.stdout).toContain('# fail 0')
})
