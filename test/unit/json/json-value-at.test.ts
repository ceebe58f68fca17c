import { expect, test } from 'vitest'
import { jsonValueAt } from '../../../src/json/json-value-at.ts'

test('a value is found at the end of its path, and nowhere else', () => {
  const document = JSON.parse('{"a":{"b.c":[7],"d":null},"__proto__":{"e":1}}')
  expect(jsonValueAt(document, [])).toBe(document)
  expect(jsonValueAt(document, ['a', 'b.c'])).toEqual([7])
  expect(jsonValueAt(document, ['a', 'd'])).toBe(null)
  expect(jsonValueAt(document, ['__proto__', 'e'])).toBe(1)
  for (const path of [['x'], ['a', 'x'], ['a', 'd', 'x'], ['a', 'b.c', 'x'], ['a', 'toString']])
    expect(jsonValueAt(document, path)).toBe(undefined)
  for (const none of [undefined, null, 1, 'text']) expect(jsonValueAt(none, ['length'])).toBe(undefined)
})
