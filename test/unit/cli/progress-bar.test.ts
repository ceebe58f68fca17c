import { describe, expect, test } from 'vitest'
import { createProgressBar, type ProgressState, renderProgress } from '../../../src/cli/progress-bar.ts'
import { bar, displayWidth, formatElapsed, sparkline } from '../../../src/cli/terminal-text.ts'

const half: ProgressState = {
  unit: 'rows',
  done: 500_000,
  total: 1_000_000,
  elapsedMs: 2_500,
  perSecond: 200_000,
  isOver: false,
}

describe('a progress line', () => {
  test.each([
    ['half way', half],
    ['waiting', { ...half, perSecond: 0 }],
    ['nearly done', { ...half, done: 999_999 }],
    ['counted whole, and still at work', { ...half, done: 1_000_000 }],
    ['done', { ...half, done: 1_000_000, isOver: true }],
    ['ended half way', { ...half, isOver: true }],
    ['of nothing', { ...half, done: 0, total: 0, isOver: true }],
    ['without a known end', { ...half, total: null }],
  ])('is this when %s', (_, state) => {
    expect(renderProgress(state, 120)).toMatchSnapshot()
  })

  test.each([10, 40, 60, 80, 120])('fits into %d columns', (width) => {
    for (const state of [half, { ...half, total: null }]) {
      expect(displayWidth(renderProgress(state, width))).toBeLessThanOrEqual(width)
    }
  })

  test('says 100 % only when everything is done', () => {
    expect(renderProgress({ ...half, done: 999_999 }, 120)).toContain('99.9 %')
  })
})

describe('a progress bar', () => {
  function run(isTTY: boolean): string[] {
    const written: string[] = []
    let nowMs = 0
    const out = { isTTY, columns: 100, write: (text: string) => written.push(text) }
    const progress = createProgressBar('rows', out, {}, () => nowMs)
    for (; nowMs < 20_000; nowMs += 50) progress.update(nowMs * 10, 200_000)
    progress.update(200_000, 200_000)
    progress.close()
    return written
  }

  test('repaints its line on a terminal, ten times a second', () => {
    const written = run(true)
    expect(written.length).toBe(200 + 3) // The last update, the closing line and its end.
    expect(written[100]).toMatch(/^\r\[.* {2}10,000 rows\/s {2}\d+\.\d s left/)
    expect(written[100]).toMatch(/\[K$/) // The rest of a longer line before it is erased.
    expect(written.at(-1)).toBe('\n')
  })

  test('writes a plain line every few seconds elsewhere', () => {
    const written = run(false)
    expect(written.length).toBe(5)
    expect(written.at(-1)).toContain('100.0 %  200,000 of 200,000 rows  10,000 rows/s  done in 20.0 s')
    for (const line of written) expect(line).toMatch(/^\P{Cc}+\n$/u)
  })
})

test('a bar is drawn to an eighth of a column, and always as wide as asked', () => {
  expect(bar(0, 4)).toBe('    ')
  expect(bar(0.5, 4)).toBe('██  ')
  expect(bar(0.53, 4)).toBe('██▏ ')
  expect(bar(7, 4)).toBe('████')
  expect(bar(-1, 4)).toBe('    ')
})

test('a sparkline has a column for each value', () => {
  expect(sparkline([])).toBe('')
  expect(sparkline([0, 0])).toBe('▁▁')
  expect(sparkline([0, 50, 100])).toBe('▁▅█')
})

test.each([
  [85.4, '85 ms'],
  [1_234, '1.2 s'],
  [59_999, '1 min 0 s'],
  [185_000, '3 min 5 s'],
  [8_040_000, '2 h 14 min'],
  [356_400_000, '4 d 3 h'],
])('%d ms is written as %s', (ms, text) => {
  expect(formatElapsed(ms)).toBe(text)
})
