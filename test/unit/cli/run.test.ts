import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

const bin = join(dirname(dirname(dirname(import.meta.dirname))), 'bin', 'assay.js')

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'assay-run-'))
  mkdirSync(join(home, 'input'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

function run(...args: string[]): ChildProcess {
  const env = { ...process.env, DELTA_BASE_PATH: join(home, 'tables'), LOG_LEVEL: 'info' }
  const all = [bin, 'run', '--from', join(home, 'input'), ...args]
  return spawn(process.execPath, all, { env, stdio: ['ignore', 'ignore', 'pipe'] })
}

/** The code and the log; SIGTERM is sent when `until` is in it. */
async function ended(child: ChildProcess, until?: string): Promise<{ code: number | null; log: string }> {
  let log = ''
  child.stderr!.on('data', (bytes: Buffer) => {
    log += bytes
    if (until !== undefined && log.includes(until) && !child.killed) child.kill('SIGTERM')
  })
  const [code] = await once(child, 'close')
  return { code, log }
}

const entries = (log: string): Record<string, unknown>[] =>
  log
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

test('a run without end says what it reads, that it waits, that it stops, and what it did', async () => {
  const { code, log } = await ended(run(), 'waiting for more')
  expect(code, log).toBe(0)
  // At whatever ports are free.
  const places = entries(log).filter(({ url }) => url !== undefined)
  expect(places.map(({ url, msg }) => String(msg).replaceAll(String(url), '..'))).toEqual([
    expect.stringContaining('dashboard'),
    expect.stringContaining('metrics are at ../metrics'),
  ])
  const others = entries(log).filter(({ url }) => url === undefined)
  expect(others.map(({ msg }) => String(msg).split(/[,:;]/)[0])).toEqual([
    `reading ${join(home, 'input')}`,
    'everything is read',
    'SIGTERM',
    'ended',
  ])
  expect(entries(log).at(-1)).toMatchObject({ level: 'info', batches: 0, records: 0, lost: 0 })
})

test.skipIf(process.platform === 'win32')('a run that npx started stops when npx is gone', async () => {
  // As npx does: by a shell, which does not hand on the signals that it gets.
  const command = `"${process.execPath}" "${bin}" run --from "${join(home, 'input')}"; true`
  const env = { ...process.env, npm_command: 'exec', DELTA_BASE_PATH: join(home, 'tables') }
  const shell = spawn('sh', ['-c', command], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const { log } = await ended(shell, 'waiting for more')
  expect(shell.signalCode).toBe('SIGTERM')
  expect(entries(log).map(({ msg }) => String(msg).split(/[,:;]/)[0])).toEqual(
    expect.arrayContaining(['SIGTERM', 'ended']),
  )
})

test('decisions that wait for brokers stop when they are told to', async () => {
  // Nobody listens at port 1.
  const kafka = { KAFKA_BOOTSTRAP_SERVERS: '127.0.0.1:1', DELTA_BASE_PATH: join(home, 'tables') }
  const env = { ...process.env, ...kafka, METRICS_PORT: '0', DECISIONS_PORT: '0', LOG_LEVEL: 'info' }
  const stdio = ['ignore', 'ignore', 'pipe'] as const
  const child = spawn(process.execPath, [bin, 'run', 'decisions'], { env, stdio: [...stdio] })
  const { code, log } = await ended(child, 'KAFKA_UNREACHABLE')
  expect(code, log).toBe(0)
  expect(log.trimEnd().split('\n').at(-1)).toContain('SIGTERM')
})

test('a run that refuses everything says so at its end, with a record', async () => {
  writeFileSync(join(home, 'input', 'a.ndjson'), '{"transaction_id":"t-1","amount":1}\n'.repeat(20))
  const { code, log } = await ended(run('--once'))
  expect(code, log).toBe(1)
  expect(log).toMatch(/^ {2}silver\/quarantine +20\n {4}timestamp_invalid +20\n {4}user_id_invalid +20$/m)
  const [warning] = entries(log.slice(log.lastIndexOf('\n{') + 1))
  expect(warning).toMatchObject({ level: 'warn', code: 'NEARLY_ALL_REFUSED', records: 20, quarantined: 20 })
  expect(warning!.msg).toContain('offset 0: {"transaction_id":"t-1","amount":1}')
})
