// The project that `assay init` makes works at once, and a topic that nobody described is read by what
// `assay infer` proposes.
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import type { DefinedRule, Lakehouse } from '../../../src/plan/index.ts'
import template from '../../../template/assay.config.ts'
import { oddColumns, oddRecords } from '../../generate/odd-names.ts'
import { runCommand, type Said } from './command.ts'

const root = mkdtempSync(join(tmpdir(), 'assay-init-'))
const project = join(root, 'my payments')
const plain = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value)
const assay = (...args: string[]): Promise<Said> => runCommand(project, args)

beforeAll(async () => {
  const { stdout, code } = await runCommand(root, ['init', 'my payments'])
  expect(code).toBe(0)
  expect(stdout).toContain('npx assay demo')
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

test('it has what a person looks for, and nothing is written over', async () => {
  expect(readdirSync(project).sort()).toEqual([
    '.dockerignore',
    '.env.example',
    '.gitignore',
    'README.md',
    'assay.config.ts',
    'package.json',
    'rules.yaml',
    'tables',
    'tests',
    'tsconfig.json',
  ])
  expect(JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')).name).toBe('my-payments')
  const example = readFileSync(join(project, '.env.example'), 'utf8')
  expect(example).toContain('WATERMARK_DEVICE')
  expect(example).toContain('#DELTA_BASE_PATH=lakehouse\n')
  const again = await runCommand(root, ['init', 'my payments'])
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('is not empty')])
})

test('its README names all that goes by the records of the example', () => {
  const page = readFileSync(join(project, 'README.md'), 'utf8')
  const example = template.in(join(import.meta.dirname, '../../../template'))
  const own = (of: (lakehouse: Lakehouse) => readonly string[]): string[] =>
    of(example).filter((name) => !of(standardLakehouse).includes(name))
  const columns = own(({ scored }) => Object.keys(scored!.rows.schema))
  const asks = ({ fires }: DefinedRule): boolean =>
    columns.some((name) => JSON.stringify(fires, plain).includes(`"${name}"`))
  const named = [
    ...columns,
    ...own(({ reasons }) => Object.keys(reasons)).filter((reason) => !reason.endsWith('_invalid')),
    ...own(({ watermarks }) => watermarks.map(({ name }) => name)),
    ...example.rules.filter(asks).map(({ name }) => name),
    ...readdirSync(join(project, 'tables')),
    ...readdirSync(join(project, 'tests')),
  ]
  expect(named).toEqual(expect.arrayContaining(['channel', 'currency_unknown', 'device', 'shared_device']))
  expect(named.filter((name) => !page.includes(`${name}\``))).toEqual([])
})

test('records that are made up go through all of its tables, and their fields are found', async () => {
  const made = ['--to', 'data', '--count', '3000', '--period', '2026-10-01/2026-10-02', '--malformed', '0']
  expect((await assay('produce', ...made)).code).toBe(0)
  const checked = await assay('check', '--from', 'data')
  expect(checked.stdout).toContain('every one of the fields is in all 1,000')
  const run = await assay('run', '--once', '--finalize', '--from', 'data')
  expect(run.code).toBe(0)
  expect(run.stderr).toContain('project my payments')
  const sql =
    'select count(*) as windows, sum(payments) = (select count(*) from silver.transactions) as all_of_them from aggregations.device'
  const { stdout } = await assay('query', '--json', sql)
  expect(JSON.parse(stdout)).toMatchObject({ all_of_them: true })
  expect(JSON.parse((await assay('plan', '--json')).stdout)).toMatchObject({ isRefused: false, changes: [] })
})

test('infer proposes fields by which less than one in a hundred is refused', async () => {
  const { stdout, stderr } = await assay('infer', '--from', 'data')
  expect(stderr).toContain('read it before you use it')
  for (const line of [
    "transaction_id: 'id'",
    "user_id: { path: 'customer.id', type: 'string' }",
    "timestamp: { path: 'ts', as: 'epoch_ms' }",
  ])
    expect(stdout).toContain(line)
  const other = join(root, 'other')
  mkdirSync(other)
  const fields = stdout.slice(0, stdout.indexOf('// Columns'))
  writeFileSync(
    join(other, 'assay.config.ts'),
    `import { transactions } from 'assay-lakehouse'\nexport default transactions({ topic: 'unknown', ${fields} })\n`,
  )
  const run = await runCommand(other, ['run', '--once', '--from', join(project, 'data')])
  expect(run.code).toBe(0)
  const sql =
    "select (select count(*) from silver.quarantine where not reasons in (['late'], ['duplicate'])) as refused"
  const { stdout: rows } = await runCommand(other, ['query', '--json', sql])
  expect(Number(JSON.parse(rows).refused)).toBeLessThan(30)
})

test('what infer proposes for records of odd names runs, every proposed column with it', async () => {
  const odd = join(root, 'odd')
  mkdirSync(join(odd, 'data'), { recursive: true })
  writeFileSync(join(odd, 'data/a.ndjson'), oddRecords.map((one) => `${JSON.stringify(one)}\n`).join(''))
  writeFileSync(
    join(odd, 'assay.config.ts'),
    "import { transactions } from 'assay-lakehouse'\nexport default transactions({ topic: 'odd' })\n",
  )
  const { stdout } = await runCommand(odd, ['infer', '--from', 'data'])
  const imported = /import .* from 'assay-lakehouse'/.exec(stdout)![0].replace('{', '{ transactions,')
  const config = `${imported}\nexport default transactions({ topic: 'odd',\n${stdout.replaceAll(/^ +\/\/ /gm, '')}})\n`
  writeFileSync(join(odd, 'assay.config.ts'), config)
  expect(await runCommand(odd, ['run', '--once', '--from', 'data'])).toMatchObject({ code: 0 })
  const counts = Object.keys(oddColumns).map((name) => `count("${name}") = 20`)
  const sql = `select count(*) as count, ${counts.join(' and ')} as has_all from silver.transactions`
  expect(JSON.parse((await runCommand(odd, ['query', '--json', sql])).stdout)).toEqual({
    count: 20,
    has_all: true,
  })
})

test('a field that no record has is told, with the names that are there', async () => {
  writeFileSync(join(root, 'one.ndjson'), `${JSON.stringify({ ref: 'a', client: { id: 'c' } })}\n`.repeat(20))
  const { stdout } = await assay('check', '--from', join(root, 'one.ndjson'))
  expect(stdout).toContain('user_id (customer.id): found in 0 of 20; there is client.id')
  const run = await runCommand(project, ['run', '--once', '--from', join(root, 'one.ndjson')], {
    DELTA_BASE_PATH: join(root, 'refused'),
  })
  expect([run.code, run.stderr]).toEqual([1, expect.stringContaining('NEARLY EVERY RECORD WAS REFUSED')])
})

test('its own tests pass', async () => {
  mkdirSync(join(project, 'node_modules'))
  symlinkSync(join(import.meta.dirname, '../../..'), join(project, 'node_modules/assay-lakehouse')) // As npm does.
  const { spawnSync } = await import('node:child_process')
  const { stdout } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', 'tests/*.test.ts'], {
    cwd: project,
    encoding: 'utf8',
  })
  expect(stdout).toContain('# pass 3')
  expect(stdout).toContain('# fail 0')
})
