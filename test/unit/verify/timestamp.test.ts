import { expect, test } from 'vitest'
import { functionNamed } from '../../../src/expr/index.ts'
import { parseTimestamp } from '../../../src/verify/timestamp.ts'

// verify reads timestamps with code of its own: it must take what the evaluators take, and nothing else.
test('the proof reads every example of parseInstant as the evaluators do', () => {
  const texts = functionNamed('parseInstant').examples.filter((example) => example.in[0] !== null)
  expect(texts.length).toBeGreaterThan(20)
  const read = texts.map((example) => [example.in[0], utcText(parseTimestamp(String(example.in[0])))])
  expect(read).toEqual(texts.map((example) => [example.in[0], example.out]))
})

function utcText(micros: bigint | null): string | null {
  if (micros === null) return null
  const second = 1_000_000n
  const fraction = ((micros % second) + second) % second
  const whole = new Date(Number((micros - fraction) / 1000n)).toISOString().slice(0, 19).replace('T', ' ')
  const digits = String(fraction).padStart(6, '0').replace(/0+$/, '')
  return digits === '' ? whole : `${whole}.${digits}`
}
