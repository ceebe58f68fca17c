import { describe, expect, test } from 'vitest'
import { CATCH_UP_MAX_MS, createPacer, spreadOverPeriod } from '../../../src/produce/schedule.ts'

describe('a pacer', () => {
  test('gives exactly rate times seconds rows, however irregular the turns are', () => {
    const pacer = createPacer(2_000, 0)
    let rows = 0
    for (let nowMs = 0, turn = 0; nowMs < 60_000; nowMs += [10, 13.7, 11, 250, 0.3][turn++ % 5]!) {
      rows += pacer.take(nowMs, Number.POSITIVE_INFINITY).count
    }
    rows += pacer.take(60_000, Number.POSITIVE_INFINITY).count
    expect(rows).toBe(120_001) // Row 0 is due at once.
  })

  test('does not drift at rates that do not divide a second', () => {
    const pacer = createPacer(7, 0)
    let rows = 0
    for (let nowMs = 0; nowMs <= 3_600_000; nowMs += 500) rows += pacer.take(nowMs, 1_000).count
    expect(rows).toBe(3_600 * 7 + 1)
  })

  test('says when each row was due, so that event times do not bunch', () => {
    const pacer = createPacer(1_000, 50)
    expect(pacer.take(50, 100)).toEqual({ count: 1, firstDueMs: 50, everyMs: 1 })
    expect(pacer.take(60, 100)).toEqual({ count: 10, firstDueMs: 51, everyMs: 1 })
  })

  test('waits until the next row is due', () => {
    const pacer = createPacer(2, 0)
    pacer.take(0, 1)
    expect(pacer.waitMs(100)).toBe(400)
    expect(pacer.waitMs(900)).toBe(0)
  })

  test('catches up after a pause in bursts of at most what is asked for', () => {
    const pacer = createPacer(1_000, 0)
    pacer.take(0, 100)
    const bursts = Array.from({ length: 11 }, () => pacer.take(1_000, 100).count)
    expect(bursts).toEqual([...Array(10).fill(100), 0])
  })

  test('gives up what it owes beyond the limit', () => {
    const pacer = createPacer(1_000, 0)
    pacer.take(0, 1)
    const { count, firstDueMs } = pacer.take(3_600_000, Number.POSITIVE_INFINITY)
    expect(count).toBe(CATCH_UP_MAX_MS + 1)
    expect(firstDueMs).toBe(3_600_000 - CATCH_UP_MAX_MS)
    expect(pacer.take(3_600_001, Number.POSITIVE_INFINITY).count).toBe(1)
  })
})

describe('rows spread over a period', () => {
  const fromMs = Date.UTC(2026, 9, 1)
  const dayMs = 86_400_000

  test.each([1, 10, 12_345])('lie in it, in order: %d of them', (count) => {
    const timeOf = spreadOverPeriod({ fromMs, toMs: fromMs + dayMs }, count)
    const times = Array.from({ length: count }, (_, index) => timeOf(index))
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect(times[0]).toBeGreaterThanOrEqual(fromMs)
    expect(times.at(-1)).toBeLessThan(fromMs + dayMs)
  })

  test('are denser in the busy hours than in the quiet ones', () => {
    const count = 100_000
    const timeOf = spreadOverPeriod({ fromMs, toMs: fromMs + dayMs }, count)
    const byHour = new Array<number>(24).fill(0)
    for (let index = 0; index < count; index++) byHour[new Date(timeOf(index)).getUTCHours()]!++
    expect(Math.max(...byHour) / Math.min(...byHour)).toBeGreaterThan(1.5)
  })

  test('fill a period of a few milliseconds, and one of a hundred years', () => {
    for (const lengthMs of [5, 100 * 365 * dayMs]) {
      const timeOf = spreadOverPeriod({ fromMs, toMs: fromMs + lengthMs }, 100)
      expect(timeOf(0)).toBeLessThan(fromMs + lengthMs * 0.1)
      expect(timeOf(99)).toBeGreaterThan(fromMs + lengthMs * 0.9)
      expect(timeOf(99)).toBeLessThan(fromMs + lengthMs)
    }
  })
})
