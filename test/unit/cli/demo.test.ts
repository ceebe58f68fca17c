import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { advanceOffsets } from '../../../src/batches/planner.ts'
import { demoCommand, growingBatches } from '../../../src/cli/demo.ts'
import { createLagEstimate } from '../../../src/cli/lag-estimate.ts'
import { openFileSource } from '../../../src/files/source.ts'
import { standardProject } from '../../../src/project/project.ts'

const bin = join(dirname(dirname(dirname(import.meta.dirname))), 'bin', 'assay.js')
const { signal } = new AbortController()

let home: string
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'assay-demo-test-'))
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

function start(...more: string[]): ChildProcess {
  const args = [bin, 'demo', '--delta-base-path', join(home, 'lakehouse'), ...more]
  const { NO_COLOR, ...environment } = process.env
  return spawn(process.execPath, args, {
    env: { ...environment, TMPDIR: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** The code and all output of the command, which gets SIGTERM when `until` is on its output. */
async function ended(child: ChildProcess, until?: RegExp): Promise<{ code: number | null; text: string }> {
  let text = ''
  const take = (bytes: Buffer): void => {
    text += bytes
    if (until?.test(text) && !child.killed) child.kill('SIGTERM')
  }
  child.stdout!.on('data', take)
  child.stderr!.on('data', take)
  const [code] = await once(child, 'close')
  return { code, text }
}

describe('assay demo', () => {
  test('stopped before its first batch, it ends well', async () => {
    const { code, text } = await ended(start('--seconds', '0.1'))
    expect(text).toContain('The tables are in')
    expect(code, text).toBe(0)
  })

  test('stopped at its first numbers, it ends well and its last line has them', async () => {
    const { code, text } = await ended(start(), /^[1-9][\d,]* records \|/m)
    expect(code, text).toBe(0)
    expect(text).not.toContain('NaN')
    expect(text.trimEnd().split('\n').at(-4)).toMatch(/^[1-9][\d,]* records \|/)
  })

  test('a second signal ends it at once; the view is closed before, and the input is gone', async () => {
    const child = start()
    let text = ''
    child.stdout!.on('data', (bytes: Buffer) => {
      text += bytes
      // Two numbers: of one that is pending already a second would be none.
      if (text.includes('records |') && !child.killed) void (child.kill('SIGINT') && child.kill('SIGTERM'))
    })
    const [, signal] = await once(child, 'close')
    expect(signal, text).toMatch(/^SIG(INT|TERM)$/)
    expect(text.trimEnd().split('\n').length, text).toBeGreaterThan(1) // Closed, it says its last line.
    expect(readdirSync(home).filter((name) => name.startsWith('assay-demo-input-'))).toEqual([])
  })
})

test.each([
  ['--seed', 'x'],
  ['--seconds', '0'],
  ['--rate', '-1'],
])('%s %s is refused', async (option, value) => {
  let told = ''
  const demo = demoCommand(standardProject)
    .exitOverride()
    .configureOutput({ writeErr: (text) => (told += text) })
    .action(() => {})
  await demo.parseAsync([`${option}=${value}`], { from: 'user' }).catch(() => {})
  expect(told).toContain('It must be a')
})

test('batches that grow begin small, and a stopped batch, whose lag nobody knows, breaks no estimate', async () => {
  appendFileSync(join(home, 'a.ndjson'), '{}\n'.repeat(10_000))
  const source = growingBatches(await openFileSource(join(home, 'a.ndjson'), { takeUnterminatedTail: false }))
  let next = new Map() as Parameters<typeof source.cut>[0]
  const estimate = createLagEstimate()
  const taken: number[] = []
  for (;;) {
    const { ranges } = await source.cut(next, 5_000, signal)
    if (ranges.length === 0) break
    const consumed = ranges[0]!.end - ranges[0]!.start
    next = advanceOffsets(next, ranges)
    const records = Number(consumed) / 3
    taken.push(records)
    const lag = await source.lag(next, signal)
    expect(estimate.records({ records, input: { consumed, lag } })).toBe(lag / 3n)
  }
  expect(taken).toEqual([2_000, 4_000, 4_000])
  expect(estimate.records({ records: 5, input: null })).toBe(null)
})

test('a lag of which nothing was read yet is not known', () => {
  expect(createLagEstimate().records({ records: 0, input: { consumed: 0n, lag: 5n } })).toBe(null)
  expect(createLagEstimate().records({ records: 0, input: { consumed: 0n, lag: 0n } })).toBe(0n)
})
