// A command finds its project, and a mistake in a config is told with its place.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runCommand } from './command.ts'

const root = mkdtempSync(join(tmpdir(), 'assay-project-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const standard = `import { standardLakehouse } from 'assay-lakehouse'
export default { ...standardLakehouse, topic: 'payments' }
`

/** A project of these files; its directory. */
function project(name: string, files: Readonly<Record<string, string>>): string {
  const directory = join(root, name)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  return directory
}

test('a config is found from the working directory upwards, or named, and .env beside it counts', async () => {
  const directory = project('payments', {
    'assay.config.ts': standard,
    '.env': 'DELTA_BASE_PATH=tables-of-mine\nLOG_LEVEL=silent',
    'deep/er/x': '',
  })
  for (const [cwd, args] of [
    [join(directory, 'deep/er'), ['check']],
    [root, ['check', '--project', 'payments']],
    [root, [`--project=${directory}`, 'check']],
  ] as const) {
    const { stdout, code } = await runCommand(cwd, args)
    expect(stdout).toContain(`ok    project   payments (${join(directory, 'assay.config.ts')})`)
    expect(stdout).toContain('LOG_LEVEL is "silent"')
    expect(code).toBe(2)
  }
  writeFileSync(join(directory, '.env'), 'DELTA_BASE_PATH=tables-of-mine')
  const { stdout } = await runCommand(join(directory, 'deep'), ['check', '--from', '.'])
  expect(stdout).toContain(`${join(directory, 'tables-of-mine')} takes commits`)
})

test('a project has its tables beside its config, where nothing else is said', async () => {
  const directory = project('alone', { 'assay.config.mjs': standard })
  const { stdout } = await runCommand(directory, ['check', '--from', '.'])
  expect(stdout).toContain(`${join(directory, 'lakehouse')} takes commits`)
})

test('a directory without a config is no project', async () => {
  const { stderr, code } = await runCommand(root, ['run', '--project', 'nowhere'])
  expect(stderr).toContain('nowhere has no assay.config.ts')
  expect(code).toBe(2)
})

const imports = `import { project } from 'assay-lakehouse'
import { hourOfDay } from 'assay-lakehouse'
import { standardLakehouse as of } from 'assay-lakehouse'
`
const mistakes: Readonly<Record<string, readonly [text: string, ...told: (string | RegExp)[]]>> = {
  syntax: ['export default {\n  topic: ,\n}\n', 'assay.config.ts:2: ', 'Expression expected'],
  'late-syntax': [
    'const a = 1\nconst a = 2\nexport default a',
    'assay.config.ts:2: ',
    'already been declared',
  ],
  enum: ['enum X { A }\nexport default X\n', 'assay.config.ts:1: ', 'Node runs TypeScript as it is'],
  import: [
    `\nimport { x } from './tables/x.ts'\nexport default x`,
    'assay.config.ts:2: ',
    'Cannot find module',
  ],
  name: [`import { nix } from 'assay-lakehouse'\nexport default nix`, 'assay.config.ts:1: ', 'nix'],
  empty: ['', 'assay.config.ts: ', 'the default export must be a lakehouse'],
  column: [
    `${imports}\nproject(of.events.rows, (row) => ({\n  x: row.amountt,\n}))\nexport default of`,
    'assay.config.ts:6: ',
    'there is no column amountt; there is transaction_id',
    '[LAKEHOUSE_INVALID]',
  ],
  type: [
    `${imports}\nproject(of.events.rows, (row) => ({\n  x: hourOfDay(row.amount),\n}))\nexport default of`,
    'assay.config.ts:6: ',
    'hourOfDay: argument 1 must be of type timestamp, not decimal(18,2)',
  ],
  aggregate: [
    `import { closingEvents, minutes, sumMoney, window } from 'assay-lakehouse'
const events = closingEvents({ event_time: 'timestamp', merchant: 'string' })
window(events, {
  eventTime: 'event_time', sizeMicros: minutes(5), keys: [],
  aggregates: (row) => ({
    total: sumMoney(row.merchant),
  }),
})`,
    'assay.config.ts:6: ',
    'sumMoney: argument 1 must be of type decimal(18,2), not string, which merchant is; of string there is countDistinct',
  ],
  'plan type': [
    `import { closingEvents, countRows, defineTable, minutes, project, transactions, window } from 'assay-lakehouse'
const events = closingEvents({ event_time: 'timestamp', amount: 'string' })
const windows = window(events, {
  eventTime: 'event_time', sizeMicros: minutes(5), keys: ['amount'], aggregates: () => ({ rows: countRows() }),
})
const table = defineTable({
  path: 'made/amounts', meaning: 'x', stream: 'aggregations', partitionBy: null, watermark: 'user',
  rows: project(windows, (row) => row),
})
export default transactions({ topic: 'payments', tables: [table] })`,
    'table made/amounts reads the column amount of type string from silver/transactions, where it is decimal(18,2) (assay.config.ts:7)',
  ],
  role: [
    `import { defineLakehouse } from 'assay-lakehouse'\n${imports}
export default defineLakehouse({
  ...of, tables: [], scored: of.refused,
})`,
    'assay.config.ts:6: ',
    'two tables are called silver/quarantine',
    'it needs the column fraud_score',
  ],
}

test.each(Object.entries(mistakes))(
  'the mistake %s is told with its place',
  async (name, [text, ...told]) => {
    const directory = project(name, { 'assay.config.ts': text })
    const { stderr, code } = await runCommand(directory, ['check'])
    for (const part of told) expect(stderr).toContain(part)
    expect(stderr).not.toMatch(/^ +at /m)
    expect(code).toBe(2)
  },
)
