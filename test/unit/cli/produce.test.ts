import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { produceCommand } from '../../../src/cli/produce.ts'
import { standardProject } from '../../../src/project/project.ts'

const command = new URL('../../../bin/assay.js', import.meta.url).pathname
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'assay-produce-cli-'))
})
afterEach(() => rm(directory, { recursive: true }))

function start(...args: string[]): {
  child: ChildProcess
  ended: Promise<{ code: number; out: string; err: string }>
} {
  const env = { ...process.env, NO_COLOR: '1' }
  const child = spawn(process.execPath, [command, 'produce', ...args], { cwd: directory, env })
  let out = ''
  let err = ''
  child.stdout!.setEncoding('utf8').on('data', (text) => (out += text))
  child.stderr!.setEncoding('utf8').on('data', (text) => (err += text))
  return { child, ended: once(child, 'close').then(([code]) => ({ code, out, err })) }
}

async function lines(): Promise<string[]> {
  const names = (await readdir(join(directory, 'data')).catch(() => [])).sort()
  const texts = await Promise.all(names.map((name) => readFile(join(directory, 'data', name), 'utf8')))
  return texts.join('').split('\n').slice(0, -1)
}

describe('assay produce', () => {
  test('fills a period, in files, and says what it made', async () => {
    const dirt = ['--late', '1%', '--malformed', '0.02', '--duplicates', '3%', '--disorder', '10%']
    const period = ['--period', '2026-10-01/2026-10-02', '--count', '5000', '--rotate-rows', '2000']
    const { code, out } = await start('--to', 'data', '--seed', '7', ...period, ...dirt).ended
    expect(code).toBe(0)
    expect(out).toMatch(/^Sent 5,000 records \(1\.\d MB\) to data in .*: [\d,]+ records\/s, among them /)
    expect(out).toMatch(/500 disordered, 50 late, 150 duplicate, 100 malformed\.\n$/)
    expect((await lines()).length).toBe(5_000)
    expect((await readdir(join(directory, 'data'))).sort()[0]).toBe(
      'transactions-20261001T000000000Z-000001.ndjson',
    )
  })

  test('leaves out what is fraud, and writes what becomes known of it beside them', async () => {
    const period = ['--period', '2026-01-01/2026-01-08', '--count', '4000', '--fraud', '5%']
    const { code, out } = await start('--to', 'data', '--labels', 'known.csv', ...period).ended
    expect(code).toBe(0)
    const records = (await lines()).map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(records.some((record) => 'is_fraud' in record)).toBe(false)
    await rm(join(directory, 'data'), { recursive: true })
    await start('--to', 'data', ...period).ended
    // The same transactions with their labels.
    const labelled = (await lines()).map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(labelled.map(({ is_fraud: _, ...record }) => record)).toEqual(records)
    const frauds = labelled.filter(({ is_fraud }) => is_fraud === true)
    const [header, ...rows] = (await readFile(join(directory, 'known.csv'), 'utf8')).trimEnd().split('\n')
    expect(header).toBe('transaction_id,known_at,is_fraud,source,pattern')
    const times = new Map(frauds.map(({ transaction_id, timestamp }) => [transaction_id, String(timestamp)]))
    expect(rows.map((row) => row.split(',')[0]).sort()).toEqual([...times.keys()].sort())
    const days = rows.map((row) => {
      const [id, knownAt] = row.split(',')
      return (Date.parse(knownAt!) - Date.parse(times.get(id)!)) / 86_400_000
    })
    expect(Math.min(...days)).toBeGreaterThanOrEqual(0.99)
    expect(Math.max(...days)).toBeLessThanOrEqual(60)
    expect(out).toContain(`Labels of ${rows.length} of them are in `)
  })

  test('makes months of a realistic scenario, without is_fraud where it is not wanted', async () => {
    const period = ['--period', '2026-01-01/2026-03-01', '--count', '3000', '--without-is-fraud']
    const { code } = await start('--to', 'data', '--scenario', 'realistic', ...period).ended
    expect(code).toBe(0)
    const records = (await lines()).map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(records.length).toBe(3_000)
    expect(records.some((record) => 'is_fraud' in record)).toBe(false)
    expect(String(records.at(-1)!.timestamp)).toMatch(/^2026-02-28T/)
  })

  test('finishes cleanly at SIGTERM: what it counted is in whole lines', async () => {
    const { child, ended } = start('--to', 'data', '--rate', '2000')
    while ((await lines()).length < 500) await delay(20)
    child.kill('SIGTERM')
    const { code, out } = await ended
    expect(code).toBe(0)
    const written = await lines()
    expect(out).toContain(`Sent ${written.length.toLocaleString('en-US')} records`)
    for (const line of written) expect(() => JSON.parse(line)).not.toThrow()
  })

  test('says what is wrong with options that contradict each other, and exits with 2', async () => {
    const { code, err } = await start('--to', 'data', '--late', '60%', '--malformed', '60%').ended
    expect(code).toBe(2)
    expect(err).toContain('add up to 1.200')
    expect(await lines()).toEqual([])
  })
})

test('a broker that is away is told while it is waited for, and a stop ends the wait well', async () => {
  const env = { ...process.env, KAFKA_BOOTSTRAP_SERVERS: 'localhost:1', LOG_FORMAT: 'json' }
  const child = spawn(process.execPath, [command, 'produce', '--count', '1'], { env, stdio: 'pipe' })
  let log = ''
  child.stderr.on('data', (bytes: Buffer) => {
    log += bytes
    if (log.includes('KAFKA_UNREACHABLE') && !child.killed) child.kill('SIGTERM')
  })
  const [code] = await once(child, 'close')
  expect(code, log).toBe(0)
  expect(log).toMatch(/sending to topic ecommerce\.transactions at localhost:1/)
})

describe('an option', () => {
  async function problem(...args: string[]): Promise<string> {
    let told = ''
    const produce = produceCommand(standardProject)
      .exitOverride()
      .configureOutput({ writeErr: (text) => (told += text) })
      .action(() => {})
    await produce.parseAsync(args, { from: 'user' }).catch(() => {})
    return told
  }

  test.each([
    ['--rate', 'fast', 'above 0 and at most 10000000, or max'],
    ['--rate', '0', 'above 0'],
    ['--count', '-1', 'whole number from 0'],
    ['--seed', '1.5', 'whole number'],
    ['--users', '0', 'whole number from 1 to 10000000'],
    ['--merchants', '1e3', 'whole number from 1 to 100000'],
    ['--fraud', '3', 'a share, such as 2% or 0.02'],
    ['--late', '101%', 'a share'],
    ['--late-by', '30', 'a duration with its unit'],
    ['--period', 'yesterday', 'two times in order'],
    ['--period', '2026-10-02/2026-10-01', 'two times in order'],
    ['--period', '2026-02-30/2026-10-01', 'two times in order'],
    ['--period', '2026-10-01/2026-10-02/2026-10-03', 'two times in order'],
    ['--partitions', '0', 'whole number from 1'],
    ['--scenario', 'real', 'Allowed choices are basic, realistic'],
    ['--compression', 'zip', 'Allowed choices are none, gzip, snappy, lz4, zstd'],
    ['--rotate-rows', '0', 'whole number from 1'],
  ])('%s %s is refused, and told what it may be', async (option, value, hint) => {
    expect(await problem(`${option}=${value}`)).toContain(hint)
  })

  test.each([
    ['--rate=max'],
    ['--rate=0.5'],
    ['--fraud=0'],
    ['--fraud=2.5%'],
    ['--late-by=1 hour 30 minutes'],
    ['--period=2026-10-01T08:00Z/2026-10-01T12:00:00.500+02:00'],
    ['--seed=-5'],
  ])('%s is taken', async (option) => {
    expect(await problem(option)).toBe('')
  })
})
