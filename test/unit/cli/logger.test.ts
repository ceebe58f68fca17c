import { expect, test } from 'vitest'
import { reportFailure } from '../../../src/cli/failure.ts'
import { createLogger, prettyLine } from '../../../src/cli/logger.ts'
import { LakehouseError } from '../../../src/errors/errors.ts'

function stream(isTTY: boolean) {
  const lines: string[] = []
  const write = (text: string) => lines.push(text) > 0
  return { lines, stderr: { isTTY, write } as unknown as NodeJS.WriteStream }
}

const evil = 'evil\x1b[2J\u202e'

test('elsewhere than on a terminal the log is one JSON object a line, its level a word', () => {
  const { lines, stderr } = stream(false)
  createLogger({ level: 'info', format: 'auto' }, stderr).warn({ batch: 7 }, 'slow')
  expect(JSON.parse(lines[0]!)).toMatchObject({ level: 'warn', batch: 7, msg: 'slow' })
})

test('below the level nothing is logged', () => {
  const { lines, stderr } = stream(false)
  createLogger({ level: 'warn', format: 'json' }, stderr).info('x')
  expect(lines).toEqual([])
})

test('on a terminal a line is readable, and control sequences in it are not obeyed', () => {
  const { lines, stderr } = stream(true)
  createLogger({ level: 'info', format: 'auto' }, stderr).error(
    { err: new Error(evil), topic: evil, [evil]: 1 },
    evil,
  )
  // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours are taken out first.
  expect(lines.join('').replace(/\x1b\[\d+m/g, '')).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u)
})

test('a readable line has the time, the level, the message and the fields', () => {
  const json = JSON.stringify({
    level: 30,
    time: '2024-03-10T10:00:00.123Z',
    msg: 'batch',
    rows: 5,
    table: 'gold',
  })
  expect(prettyLine(json, false)).toBe('10:00:00.123 info  batch  rows=5  table=gold\n')
})

test('for people a text that the message says is not said again', () => {
  const [level, time] = [40, '2026-11-25T10:00:00.123Z']
  const json = JSON.stringify({ level, time, reason: 'refused', code: 'KAFKA_BACK', msg: 'away: refused.' })
  expect(prettyLine(json, false)).toBe('10:00:00.123 warn  away: refused.  code=KAFKA_BACK\n')
})

function report(error: unknown): { code: number; text: string } {
  let text = ''
  const write = (part: string) => {
    text += part
  }
  return { code: reportFailure(error, { write }), text }
}

test('a failure is one line with its code, and no stack', () => {
  const { code, text } = report(new LakehouseError('DELTA_TABLE_NOT_FOUND', `no table ${evil}`))
  expect(code).toBe(1)
  expect(text).toMatch(/^assay: no table evil.* \[DELTA_TABLE_NOT_FOUND\]\n$/)
  expect(text).not.toContain('\x1b')
})

test('a mistake of the configuration has the exit code of a usage mistake', () => {
  expect(report(new LakehouseError('CONFIG_INVALID', 'a:\n  b')).text).toBe(
    'assay: a: [CONFIG_INVALID]\n  b\n',
  )
  expect(report(new LakehouseError('CONFIG_INVALID', 'x')).code).toBe(2)
})

test('what has no code is told as a bug, with its stack', () => {
  expect(report('thrown text').text).toContain('bug')
})

test('numbers are numbers in the JSON log, whatever their size and kind', () => {
  const { lines, stderr } = stream(false)
  createLogger({ level: 'info', format: 'json' }, stderr).info(
    { batch: 7n, lag: 12_345_678_901n, nested: { lost: 3n }, none: null },
    'batch',
  )
  expect(lines[0]).toContain('"batch":7,"lag":12345678901,"nested":{"lost":3},"none":null')
})
