// Calls of a producer that come at once: which batches they share, and whose failure is whose.
import { expect, test } from 'vitest'
import { LakehouseError } from '../../../src/errors/errors.ts'
import type { ProducedRecord } from '../../../src/kafka/produced-record.ts'
import { SharedBatches } from '../../../src/kafka/shared-batches.ts'

const recordOf = (text: string): ProducedRecord => ({ key: null, value: Buffer.from(text) })
const textsOf = (records: readonly ProducedRecord[]) => records.map(({ value }) => String(value))
const tooLarge = () => new LakehouseError('KAFKA_RECORD_TOO_LARGE', 'too large')

/** `fails` says how a batch fails; null where it is written. */
function shared(bytesMax: number, fails: (texts: readonly string[]) => Error | null = () => null) {
  const batches: (readonly string[])[] = []
  let reopened = 0
  const calls = new SharedBatches({
    bytesMax,
    send: async (records) => {
      await new Promise(setImmediate)
      const error = fails(textsOf(records))
      if (error !== null) throw error
      batches.push(textsOf(records))
    },
    reopen: async () => {
      reopened++
    },
  })
  const send = (...texts: string[]) => calls.send(texts.map(recordOf))
  return { batches, send, reopened: () => reopened }
}

test('calls that come while a batch is on its way share the next, in their order', async () => {
  const { batches, send } = shared(1_000)
  await Promise.all([send('a'), send('b', 'c'), send(), send('d')])
  await send('e')
  expect(batches).toEqual([['a'], ['b', 'c', 'd'], ['e']])
})

test('a batch has no more bytes than it may, of however many calls', async () => {
  const { batches, send } = shared(3 * 42)
  await send('first')
  const ten = 'x'.repeat(10)
  await Promise.all([send(ten), send(ten, ten), send(ten), send('y'.repeat(500)), send(ten)])
  expect(batches.map((texts) => texts.length)).toEqual([1, 3, 1, 1, 1])
})

test('a record that the broker refuses fails its own call alone', async () => {
  const isLarge = (text: string) => text.length > 100
  const { batches, send, reopened } = shared(150, (texts) => (texts.some(isLarge) ? tooLarge() : null))
  const settled = await Promise.allSettled([
    ...[send('a'), send('b'), send('x'.repeat(200)), send('c', 'd'), send('y'.repeat(101))],
  ])
  expect(settled.map(({ status }) => status === 'fulfilled')).toEqual([true, true, false, true, false])
  expect(batches.flat()).toEqual(['a', 'b', 'c', 'd'])
  expect(reopened()).toBe(2)
  await send('e')
})

test('any other failure is that of all calls that are not written, and of the later ones', async () => {
  let isBroken = false
  const { batches, send } = shared(40, () => (isBroken ? new Error('gone') : null))
  const first = send('a')
  const later = [send('b'), send('c')]
  await first
  isBroken = true
  for (const call of later) await expect(call).rejects.toThrow('gone')
  isBroken = false
  await expect(send('d')).rejects.toThrow('gone')
  expect(batches.flat()).toEqual(['a'])
})

test('several records that are too large together fail: which were written is not known', async () => {
  const { send } = shared(1_000, (texts) => (texts.length > 1 ? tooLarge() : null))
  await send('a')
  const settled = await Promise.allSettled([send('b'), send('c'), send('d')])
  expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
})
