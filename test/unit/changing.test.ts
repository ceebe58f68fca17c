// docs/guide/changing.md, done as it says: its edits are applied to a copy of the sources, and what was added
// is there.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = dirname(dirname(import.meta.dirname))
let copy: string

type Edit = { readonly path: string; readonly before: string; readonly after: string }

/** The blocks of the page, each for the file that was named last. */
function editsOf(page: string): Edit[] {
  const edits: Edit[] = []
  let path = ''
  for (const found of page.matchAll(
    /^ *`((?:src|test)\/[^`]+)`(?::| is new:)$|^( *)```(diff|ts)\n([\s\S]*?)^ *```$/gm,
  )) {
    const [, named, indent = '', kind, block] = found
    if (named !== undefined) path = named
    if (block === undefined) continue
    const lines = block
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(indent.length))
    const without = (sign: string): string =>
      lines
        .filter((line) => !line.startsWith(sign))
        .map((line) => `${line.slice(1)}\n`)
        .join('')
    edits.push(
      kind === 'ts'
        ? { path, before: '', after: `${lines.join('\n')}\n` }
        : { path, before: without('+'), after: without('-') },
    )
  }
  return edits
}

function run(...args: string[]): string {
  const env = { ...process.env, DELTA_BASE_PATH: join(copy, 'tables'), LOG_LEVEL: 'error' }
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: copy, env, encoding: 'utf8' })
  expect(status, stdout + stderr).toBe(0)
  return stdout + stderr
}

const query = (sql: string): string => run('bin/assay.js', 'query', '--csv', sql)

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'assay-changing-'))
  for (const folder of [
    'src',
    'bin',
    'docs',
    'test/oracle',
    'dashboard',
    'package.json',
    'package-lock.json',
  ]) {
    cpSync(join(root, folder), join(copy, folder), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  for (const { path, before, after } of editsOf(readFileSync(join(root, 'docs/guide/changing.md'), 'utf8'))) {
    const file = join(copy, path)
    const text = before === '' ? '' : readFileSync(file, 'utf8')
    if (before !== '') expect(text.split(before).length, `${path} has once:\n${before}`).toBe(2)
    writeFileSync(file, before === '' ? after : text.replace(before, () => after))
  }
  run('docs/generate.ts')
  mkdirSync(join(copy, 'data'))
  const transaction = { user_id: 7, device_id: 'd-1', merchant: 'Shop', timestamp: '2026-10-01T10:00:00Z' }
  const records = [
    { ...transaction, transaction_id: 't-1', amount: 2_000, payment_method: 'bank_transfer' },
    { ...transaction, transaction_id: 't-2', amount: 5, payment_method: 'crypto' },
  ]
  writeFileSync(join(copy, 'data/a.ndjson'), records.map((record) => `${JSON.stringify(record)}\n`).join(''))
  run('bin/assay.js', 'run', '--once', '--finalize', '--from', 'data')
}, 120_000)
afterAll(() => rmSync(copy, { recursive: true, force: true }))

test('the rule fires, and is told', () => {
  expect(query("select fraud_score, reasons from fraud_detection where transaction_id = 't-1'")).toBe(
    'fraud_score,reasons\n15,"[""large_transfer""]"\n',
  )
  expect(run('bin/assay.js', 'why', 't-1')).toMatch(/\+15 {2}large_transfer +a bank transfer of 2000\.00/)
  expect(readFileSync(join(copy, 'docs/reference/tables.md'), 'utf8')).toContain('| large_transfer |')
})

test('the column is there', () => {
  const rows = query('select max(crypto_count) as crypto from aggregations.merchant')
  expect(rows).toBe('crypto\n1\n')
})

test('the table is written, and has open windows of its own beside that whose watermark it shares', () => {
  expect(query('select device_id, transaction_count, total_amount from aggregations.device')).toBe(
    'device_id,transaction_count,total_amount\nd-1,2,2005.00\n',
  )
  expect(query('describe live.device')).toContain('unique_users')
  expect(query('describe live.merchant')).toContain('crypto_count')
})

test('the setting is read, judged and documented', () => {
  expect(readFileSync(join(copy, '.env.example'), 'utf8')).toContain('ALERTS_PER_BATCH')
  const env = { ...process.env, ALERTS_PER_BATCH: 'x', DELTA_BASE_PATH: join(copy, 'tables') }
  const { status, stderr } = spawnSync(process.execPath, ['bin/assay.js', 'query', 'select 1'], {
    ...{ cwd: copy, env, encoding: 'utf8' },
  })
  expect(stderr).toContain('ALERTS_PER_BATCH is "x"')
  expect(status).toBe(2)
})
