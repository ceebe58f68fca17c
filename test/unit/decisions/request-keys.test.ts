// Idempotency keys: what is remembered, for how long, and what of it the headers of records tell.
import { expect, test } from 'vitest'
import type { Decision } from '../../../src/decisions/decision-answer.ts'
import { CaughtUp } from '../../../src/decisions/read-keys.ts'
import {
  digestOf,
  headersOfDecision,
  keyHeadersOf,
  keyRememberedMs,
  RequestKeys,
} from '../../../src/decisions/request-keys.ts'

const records = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ key: null, value: Buffer.from(`{"n":${index}}`) }))
const requestOf = (key: string, count = 1) => ({ key, count, digest: digestOf(records(count), count > 1) })
const headersOf = (key: string, count = 1, at = 0) =>
  Object.entries(keyHeadersOf(requestOf(key, count), at)).map(([name, text]) => ({
    ...{ key: name, value: Buffer.from(text) },
  }))
const decisionAt = (offset: number): Decision => ({
  ...{ topic: 't', partition: 0, offset: String(offset), decision: 'refused' },
  ...{ id: `t/0/${offset}`, reasons: [], version: 'v' },
})
const offsetsOf = (decisions: readonly Decision[]) => decisions.map(({ offset }) => offset)

test('what the headers of decisions tell is what a repeated request is answered with', async () => {
  const keys = new RequestKeys()
  keys.onPublished(headersOf('k', 2, 1), () => decisionAt(8), 1)
  // A process that ended between the two had not produced the first of them.
  expect(keys.begin(requestOf('k', 2), 2)?.unsent).toEqual([0])
  expect(keys.begin(requestOf('k', 2), 2)?.unsent).toEqual([])
  keys.onPublished(headersOf('k', 2, 0), () => decisionAt(9), 3)
  expect(offsetsOf(await keys.begin(requestOf('k', 2), 4)!.answer)).toEqual(['9', '8'])
  expect(keys.begin(requestOf('k', 1), 4)).toBeNull()
})

test('of two records of one request the first in the partition is the answer, whichever is told first', async () => {
  for (const order of [
    [3, 7],
    [7, 3],
  ]) {
    const keys = new RequestKeys()
    for (const offset of order) keys.onPublished(headersOf('k'), () => decisionAt(offset), 1)
    expect(offsetsOf(await keys.begin(requestOf('k'), 2)!.answer)).toEqual(['3'])
    expect(keys.count).toBe(1)
  }
})

test('a key is forgotten after a day, and before it where there are too many; the newest stay', () => {
  const keys = new RequestKeys()
  keys.onPublished(headersOf('k'), () => decisionAt(1), 0)
  expect(keys.begin(requestOf('k'), keyRememberedMs - 1)?.unsent).toEqual([])
  expect(keys.begin(requestOf('k'), keyRememberedMs)?.unsent).toEqual([0])
  const few = new RequestKeys(10_000)
  for (let index = 0; index < 1_000; index++)
    few.onPublished(headersOf(`k-${index}`), () => decisionAt(index), 1)
  expect(few.count).toBeGreaterThan(5)
  expect(few.count).toBeLessThan(20)
  expect(few.begin(requestOf('k-999'), 2)?.unsent).toEqual([])
  expect(few.begin(requestOf('k-0'), 2)?.unsent).toEqual([0])
})

test('headers that others wrote are none of a request', () => {
  expect(headersOfDecision(null)).toBeNull()
  expect(headersOfDecision([{ key: 'idempotency-key', value: Buffer.from('k') }])).toBeNull()
  const odd = (part: string) => [
    { key: 'idempotency-key', value: Buffer.from('k') },
    { key: 'idempotency-part', value: Buffer.from(part) },
  ]
  const { digest } = requestOf('k')
  for (const part of [`1/1/${digest}`, `0/1001/${digest}`, '0/1/short', ''])
    expect(headersOfDecision(odd(part))).toBeNull()
  expect(Object.keys(headersOfDecision(odd(`0/1/${digest}`))!)).toEqual([
    'idempotency-key',
    'idempotency-part',
  ])
})

test('it has caught up where all partitions are decided that had records', async () => {
  const caughtUp = new CaughtUp()
  const at = (offset: bigint) => new Map([['t\n0', { topic: 't', partition: 0, offset }]])
  // What the topic has is not known yet.
  caughtUp.onProgress(at(9n))
  expect([caughtUp.isExpecting, caughtUp.isReached]).toEqual([false, false])
  caughtUp.expect([
    { topic: 't', partition: 0, earliest: 0n, end: 5n },
    { topic: 't', partition: 1, earliest: 7n, end: 7n },
  ])
  caughtUp.onProgress(at(4n))
  expect([caughtUp.isExpecting, caughtUp.isReached]).toEqual([true, false])
  caughtUp.onProgress(at(5n))
  expect(caughtUp.isReached).toBe(true)
  await caughtUp.reached
})
